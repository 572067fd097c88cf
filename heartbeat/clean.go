package heartbeat

import "regexp"

// The places where the errors of drivers and clients hold secrets.
var secrets = []struct {
	pattern *regexp.Regexp
	without string
}{
	// A URL's user and password, which may hold an unescaped @ or /.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)\S*@`), "${1}***@"},
	// A URL's query.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s?"']*)\?[^\s"']*`), "${1}?***"},
	// user:password@tcp(host), as the MySQL driver writes a DSN.
	{regexp.MustCompile(`[^\s"'(]*:\S*@(\w*\()`), "***@${1}"},
	// password=..., "api_key": "...", and their like; a value in quotes to its end.
	{regexp.MustCompile(`(?i)((?:password|passwd|pwd|secret|token|(?:api|access|auth|private|account)[_-]?key)["']?\s*[=:]\s*)('[^']*'|"[^"]*"|[^\s,;&"']+)`), "${1}***"},
	// An Authorization header.
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "${1} ***"},
}

// clean returns text without what looks like a secret.
func clean(text string) string {
	for _, s := range secrets {
		text = s.pattern.ReplaceAllString(text, s.without)
	}
	return text
}

// cleanError is an error whose text is clean.
type cleanError struct{ err error }

func (e cleanError) Error() string { return clean(e.err.Error()) }
func (e cleanError) Unwrap() error { return e.err }
