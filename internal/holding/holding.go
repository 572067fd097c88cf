// Package holding says what ends a hold of the size that has no known end. The page and the
// command line share the words.
package holding

import "github.com/autoscalebot/autoscale/limit"

// Until says in words until when by holds the size. commanded says that a person gave a pause
// or an override. It is empty if by does not hold the size whatever is recommended.
func Until(by limit.Kind, commanded bool) string {
	switch by {
	case limit.ByPause:
		if commanded {
			return "until somebody resumes"
		}
		return "until somebody sets another size than 0"
	case limit.ByMaintenance:
		return "until the maintenance ends"
	case limit.ByYielding:
		return "until the other autoscaler is switched off, or somebody resumes"
	}
	return ""
}
