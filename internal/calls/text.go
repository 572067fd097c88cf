package calls

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/autoscalebot/autoscale/internal/literal"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/platform"
)

// Redacted replaces anything in a text that may be secret.
const Redacted = "[redacted]"

// Scrubber returns a function that takes secrets, and anything that looks like one, out of
// a text. It finds a secret in plain form, in the encoding of a URL, of Base64 and of
// quotes, and also if its end was cut off. like may be nil.
func Scrubber(like *regexp.Regexp, secrets ...string) func(string) string {
	var forms []string
	for _, secret := range secrets {
		forms = append(forms, formsOf(secret)...)
	}
	return func(s string) string {
		s = redact(s, forms)
		if like != nil {
			s = like.ReplaceAllLiteralString(s, Redacted)
		}
		return s
	}
}

// remembered returns a function that returns the Scrubber for the secrets that hidden
// returns. It makes a new one only if these have changed, because the forms of a long token
// take time.
func remembered(hidden func() []string) func() func(string) string {
	type last struct {
		secrets []string
		scrub   func(string) string
	}
	var kept atomic.Pointer[last]
	return func() func(string) string {
		secrets := hidden()
		if l := kept.Load(); l != nil && slices.Equal(l.secrets, secrets) {
			return l.scrub
		}
		l := &last{secrets, Scrubber(nil, secrets...)}
		kept.Store(l)
		return l.scrub
	}
}

const (
	shortest = 4  // a secret with fewer bytes would be found in ordinary words
	encoded  = 8  // the Base64 form of a secret with fewer bytes would be found there too
	cutOff   = 12 // this much of a secret counts as one whose end was cut off
)

// formsOf returns the forms in which a text may hold a secret. An API that repeats a request
// writes the path as a URL, and the credentials of Basic authentication as Base64.
func formsOf(secret string) (forms []string) {
	if len(secret) < shortest {
		return nil
	}
	quoted, escaped := strconv.Quote(secret), url.QueryEscape(secret)
	forms = []string{secret, quoted[1 : len(quoted)-1], escaped, url.PathEscape(secret)}
	if len(secret) >= encoded {
		for before := range 3 {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				forms = append(forms, inBase64(e, secret, before), inBase64(e, escaped, before))
			}
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// inBase64 returns the part of a Base64 text that depends only on s, if before bytes are
// encoded ahead of s.
func inBase64(e *base64.Encoding, s string, before int) string {
	text := e.EncodeToString(append(make([]byte, before), s...))
	return text[(8*before+5)/6 : 8*(before+len(s))/6]
}

// redact takes the forms of secrets out of s. If it finds only the beginning of one, it
// also takes out what looks like the rest of it.
func redact(s string, forms []string) string {
	next := make([]int, len(forms)) // where each form is found next, or len(s)
	find := func(from int) {
		for i, form := range forms {
			if next[i] >= from && from > 0 {
				continue
			}
			next[i] = len(s)
			if at := strings.Index(s[from:], form[:min(len(form), cutOff)]); at >= 0 {
				next[i] = from + at
			}
		}
	}
	find(0)
	var b strings.Builder
	done := 0
	for {
		at := len(s)
		for _, n := range next {
			at = min(at, n)
		}
		if at == len(s) {
			break
		}
		end, whole := at, false
		for i, form := range forms {
			if next[i] != at {
				continue
			}
			n := 0
			for n < len(form) && at+n < len(s) && s[at+n] == form[n] {
				n++
			}
			if at+n > end {
				end, whole = at+n, n == len(form)
			}
		}
		for !whole && end < len(s) && partOfToken.MatchString(s[end:end+1]) {
			end++
		}
		b.WriteString(s[done:at])
		b.WriteString(Redacted)
		done = end
		find(done)
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

var partOfToken = regexp.MustCompile(`^[A-Za-z0-9._~+/=%-]$`)

// Quoted returns a short line of a text, in quotes.
func Quoted(s string) string { return strconv.Quote(outbound.Line(s, 60)) }

// Getenv returns the function that looks up environment variables. opts may be nil.
func Getenv(opts *platform.Options) func(name string) string {
	if opts == nil || opts.Getenv == nil {
		return os.Getenv
	}
	return opts.Getenv
}

// ShortID returns an id of at most most bytes, which must be 33 or more. A longer id
// becomes its first bytes and a hash of the whole, because ids may differ only at their
// ends.
func ShortID(id string, most int) string {
	if len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:most-33] + "-" + hex.EncodeToString(sum[:16])
}

// MediaType names the kind of a body, in a form for a message.
func MediaType(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return "of no known type"
	}
	return outbound.Line(media, 60)
}

// FaultOfURL returns what is wrong with an option that is the URL of an API, or nil. plain
// means that http is permitted. The error never repeats a URL that does not parse, nor a
// user or a password.
func FaultOfURL(option, value, example string, plain bool) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s is not an absolute http or https URL: give one as %s", option, example)
	case u.User != nil || strings.ContainsAny(value, "?#"):
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
	if problem := cmp.Or(literal.Variable(token), literal.Secret(token)); problem != "" {
		return fmt.Errorf("%s %s", name, problem)
	}
	return nil
}
