package names

import "strings"

var (
	escapeLease   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescapeLease = strings.NewReplacer("%25", "%", "%2F", "/")
)

// Lease returns the name of the lease of an application's Autoscaler, or of an Autoscaler alone
// if app is empty. "/" and "%" within a part are escaped: the app "a/b" with "c" has another
// lease than the app "a" with "b/c".
func Lease(app, name string) string {
	if app == "" {
		return escapeLease.Replace(name)
	}
	return escapeLease.Replace(app) + "/" + escapeLease.Replace(name)
}

// OfLease returns what [Lease] made a name of. It returns false for a name that Lease makes of
// nothing with an application.
func OfLease(lease string) (app, name string, ok bool) {
	app, name, ok = strings.Cut(lease, "/")
	app, name = unescapeLease.Replace(app), unescapeLease.Replace(name)
	return app, name, ok && app != "" && Lease(app, name) == lease
}
