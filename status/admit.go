package status

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// admit reports whether a request is let in, and who sent it. Its time does not depend on
// how much of a secret is right.
func (p *Page) admit(r *http.Request) (who string, ok bool) {
	const nobody = "the status page"
	who, ok = nobody, p.opts.Public
	// A scheme has no case (RFC 9110, section 11.1).
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && p.opts.Token != "" {
		ok = equal(token, p.opts.Token) || ok
	}
	if name, password, found := r.BasicAuth(); found {
		known := p.opts.Token != "" && equal(password, p.opts.Token)
		// Every user is compared, so that the time does not tell which names there are.
		for user, secret := range p.opts.Users {
			same, right := equal(name, user), equal(password, secret)
			known = known || same && right
		}
		if known {
			ok = true
			if name != "" {
				who = name
			}
		}
	}
	if !ok {
		return "", false
	}
	if p.opts.Actor != nil {
		if name := p.opts.Actor(r); name != "" {
			who = name
		}
	}
	return who, true
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
