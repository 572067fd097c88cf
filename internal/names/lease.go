package names

import "strings"

// escape makes the parts of a lease's name unambiguous: the app "a/b" with "c" has another
// lease than the app "a" with "b/c".
var escape = strings.NewReplacer("%", "%25", "/", "%2F")

// Lease returns the name of the lease of an Autoscaler. app may be empty.
func Lease(app, autoscaler string) string {
	if app == "" {
		return escape.Replace(autoscaler)
	}
	return escape.Replace(app) + "/" + escape.Replace(autoscaler)
}
