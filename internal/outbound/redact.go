package outbound

import (
	"errors"
	"regexp"
)

// maxRedacted is how many bytes of an error of a driver are shown.
const maxRedacted = 500

var (
	userinfo = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*://)\S*@`) // to the last @: a password may have one, and a slash
	password = regexp.MustCompile(`(?i)(\b\w*(?:password|passwd|pwd|secret|token)\s*[=:]\s*)(?:'[^']*'|"[^"]*"|[^\s&;,]+)`)
)

// Redact returns the error of a driver on one line of at most 500 bytes, without what looks
// like a password: a driver may repeat the URL of a server that it cannot read. errors.Is and
// errors.As find what they find in err.
func Redact(err error) error {
	text := err.Error()
	clean := userinfo.ReplaceAllString(text, "$1…@")
	clean = password.ReplaceAllString(clean, "$1…")
	clean = Line(clean, maxRedacted)
	if clean == text {
		return err
	}
	return &redacted{clean, func(target error) bool { return errors.Is(err, target) }, func(target any) bool { return errors.As(err, target) }}
}

// redacted does not hold the original error, because others could print it.
type redacted struct {
	text string
	is   func(target error) bool
	as   func(target any) bool
}

func (e *redacted) Error() string        { return e.text }
func (e *redacted) Is(target error) bool { return e.is(target) }
func (e *redacted) As(target any) bool   { return e.as(target) }
