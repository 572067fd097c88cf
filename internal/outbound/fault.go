package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many bytes of a text of others are kept.
const MaxText = 200

// Text returns s on one line of at most [MaxText] bytes, without control characters and
// without bytes that are no UTF-8.
func Text(s string) string { return Line(s, MaxText) }

// Line returns s as [Text] does, of at most most bytes.
func Line(s string, most int) string {
	cut := len(s) > 4*most // that much is looked at
	if cut {
		s = s[:4*most]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most && !cut {
		return s
	}
	const end = "…"
	n := min(len(s), most-len(end))
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + end
}

// Kind is what an error of a request means. One fault has one kind, whichever protocol
// carried it.
type Kind int

// The kinds of an error.
const (
	Malformed   Kind = iota // anything else: what arrived is not an answer
	Timeout                 // no answer in time
	Name                    // the host's name did not resolve
	Certificate             // the server's certificate is not trusted
	TLS                     // the server does not speak TLS
	Refused                 // the connection was refused
	Reset                   // the connection or the request was reset
	Closed                  // the connection was closed without a whole answer
)

// KindOf returns the kind of err, which [Wrap] or net/http returned.
func KindOf(err error) Kind {
	var own *Error
	var stream streamError
	switch {
	case errors.As(err, &own):
		return own.kind
	case is[*net.DNSError](err):
		return Name
	case is[*tls.CertificateVerificationError](err), is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err), is[x509.CertificateInvalidError](err):
		return Certificate
	case is[tls.RecordHeaderError](err):
		return TLS
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	case errors.As(err, &stream) && stream.Cause != nil && stream.Cause.Error() == "received from peer":
		return Reset // RST_STREAM
	case err != nil && closedByPeer(err.Error()):
		return Closed
	}
	return Malformed
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// streamError has the shape of golang.org/x/net/http2.StreamError, as which net/http lets
// errors.As see its own.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "" }

// closedByPeer knows the errors of net/http that are neither exported nor wrap io.EOF.
func closedByPeer(text string) bool {
	for _, known := range []string{
		"GOAWAY",                        // from an HTTP/2 server
		"http2: client conn",            // "connection lost" after pings, "is closed", "not usable"
		"server closed idle connection", // HTTP/1.1
	} {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

// An Error is an error whose text was cut. It holds nothing of the original but its
// kind.
type Error struct {
	kind Kind
	text string
}

func (e *Error) Error() string { return e.text }

// Is reports a timeout as context.DeadlineExceeded.
func (e *Error) Is(target error) bool {
	return e.kind == Timeout && target == context.DeadlineExceeded
}

// Clean returns err in a form that may be kept: short, on one line, and without the
// certificates of the server. An error that has that form already is returned
// unchanged.
func Clean(err error) error {
	if err == nil {
		return nil
	}
	for u := (*url.Error)(nil); errors.As(err, &u) && u.Err != nil; {
		err = u.Err // it quotes the whole URL
	}
	text := err.Error()
	kind := KindOf(err)
	if kind != Certificate && text == Text(text) {
		return err
	}
	return &Error{kind, Text(text)}
}
