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

var unescape = strings.NewReplacer("%25", "%", "%2F", "/")

// SplitLease returns the parts of a name that [Lease] made of two. ok is false for others.
func SplitLease(lease string) (app, autoscaler string, ok bool) {
	app, autoscaler, _ = strings.Cut(lease, "/")
	app, autoscaler = unescape.Replace(app), unescape.Replace(autoscaler)
	return app, autoscaler, app != "" && autoscaler != "" && Lease(app, autoscaler) == lease
}
