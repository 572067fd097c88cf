package autoscale

// Texts of the host's parts are cut to this many bytes where they come in. Errors are cut
// by internal/guard.
const (
	maxDetail = 500
	maxNote   = 200 // a code, the name of a rule
)
