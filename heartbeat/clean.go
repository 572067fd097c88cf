package heartbeat

import (
	"regexp"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

// The places where the errors of drivers and clients hold secrets.
var secrets = []struct {
	pattern *regexp.Regexp
	without string
}{
	// The user and password in a URL, which may contain an unescaped @ or /.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)\S*@`), "${1}***@"},
	// The query of a URL.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s?"']*)\?[^\s"']*`), "${1}?***"},
	// user:password@tcp(host), as the MySQL driver writes a DSN.
	{regexp.MustCompile(`[^\s"'(]*:\S*@(\w*\()`), "***@${1}"},
	// password=..., "api_key": "...", and their like; a value in quotes to its end.
	{regexp.MustCompile(`(?i)((?:password|passwd|pwd|secret|token|(?:api|access|auth|private|account)[_-]?key)["']?\s*[=:]\s*)('[^']*'|"[^"]*"|[^\s,;&"']+)`), "${1}***"},
	// An Authorization header.
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "${1} ***"},
}

// The bounds of text from elsewhere. Bytes beyond maxRead are not even looked at.
const (
	maxRead = 64 << 10
	maxText = 500
)

// clean returns text on one line of at most maxText bytes, without what looks like a
// secret.
func clean(text string) string {
	text = text[:min(len(text), maxRead)]
	for _, s := range secrets {
		text = s.pattern.ReplaceAllString(text, s.without)
	}
	return outbound.Line(text, maxText)
}

// cleanError is an error whose text is clean.
type cleanError struct{ err error }

func (e cleanError) Error() string { return clean(e.err.Error()) }
func (e cleanError) Unwrap() error { return e.err }
