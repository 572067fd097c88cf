package calls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/platform"
)

// Redacted stands in a text for what may be secret.
const Redacted = "[redacted]"

// Scrubber returns a function that takes secrets, and whatever looks like one, out of a
// text. like may be nil.
func Scrubber(like *regexp.Regexp, secrets ...string) func(string) string {
	return func(s string) string {
		for _, secret := range secrets {
			if len(secret) > 3 {
				s = strings.ReplaceAll(s, secret, Redacted)
			}
		}
		if like != nil {
			s = like.ReplaceAllLiteralString(s, Redacted)
		}
		return s
	}
}

// Quoted is a short line of a text in quotes.
func Quoted(s string) string { return strconv.Quote(outbound.Line(s, 60)) }

// Getenv returns what looks up environment variables. opts may be nil.
func Getenv(opts *platform.Options) func(name string) string {
	if opts == nil || opts.Getenv == nil {
		return os.Getenv
	}
	return opts.Getenv
}

// ShortID returns an id of at most so many bytes, 33 or more. A longer one becomes its first
// bytes and a hash of the whole, because ids may differ at their ends alone.
func ShortID(id string, most int) string {
	if len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:most-33] + "-" + hex.EncodeToString(sum[:16])
}

// MediaType names the kind of a body, in a form fit for a message.
func MediaType(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return "of no known type"
	}
	return outbound.Line(media, 60)
}

// FaultOfURL returns what is wrong with an option that is the URL of an API, or nil. plain
// says that http is fine. The error never repeats a URL that does not parse, nor a user or
// a password.
func FaultOfURL(option, value, example string, plain bool) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s is not an absolute http or https URL: give one as %s", option, example)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%s has a user, a query or a fragment: give one as %s", option, example)
	case u.Scheme == "http" && !plain && !Loopback(u.Hostname()):
		return fmt.Errorf("%s is http, over which anybody on the way can read the token: give one as %s", option, example)
	}
	return nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var validToken = regexp.MustCompile(`^[!-~]+$`)

// FaultOfToken returns what is wrong with a token, or nil. name says where it comes from,
// and get says how to get one. The error does not repeat the token.
func FaultOfToken(token, name, get string) error {
	switch {
	case token == "":
		return fmt.Errorf("%s is empty: %s", name, get)
	case !validToken.MatchString(token) || strings.ContainsAny(token, `"'`+"`"):
		return fmt.Errorf("%s has characters that no token has, such as quotes or white space: give the token alone", name)
	}
	return nil
}
