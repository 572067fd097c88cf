package herokutest

import (
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// AddToken makes the Server accept a token, with the scopes that Heroku's authorizations
// can have: global, identity, read, write, read-protected and write-protected. Without
// scopes it is global. Only global and the two write scopes allow a change. A token that
// exists already gets the new scopes.
func (s *Server) AddToken(token string, scopes ...string) {
	if len(scopes) == 0 {
		scopes = []string{"global"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = slices.Clone(scopes)
}

// RevokeToken makes the Server refuse a token with 401. That can be [Token] too.
func (s *Server) RevokeToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// SetRateLimit sets how many requests the account may make: capacity at once, refilled
// by perMinute a minute. The allowance is full again. A Server's own limit is
// Heroku's: 4,500, and 75 a minute.
//
// A capacity of 0 refuses every request with 429, except the request for the rate limit
// itself, which is free. A perMinute of 0 never refills.
func (s *Server) SetRateLimit(capacity int, perMinute float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket = bucket{
		capacity:  float64(max(0, capacity)),
		perMinute: max(0, perMinute),
		tokens:    float64(max(0, capacity)),
		last:      time.Now(),
	}
}

// A bucket is the account's allowance of requests.
type bucket struct {
	capacity, perMinute, tokens float64
	last                        time.Time
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.last); d > 0 {
		b.tokens = min(b.capacity, b.tokens+d.Minutes()*b.perMinute)
		b.last = now
	}
}

func (b *bucket) take() bool {
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) remaining() int { return int(math.Floor(b.tokens)) }

// scopes returns the scopes of the token that r carries, or the error to answer with.
func (s *Server) scopes(r *http.Request) ([]string, *wireError) {
	if r.Header.Get("Authorization") == "" {
		return nil, &wireError{
			status: http.StatusUnauthorized, ID: "unauthorized",
			Message: "There were no credentials in your `Authorization` header. Try `Authorization: Bearer <OAuth access token>` or `Authorization: Basic <base64-encoded email + \":\" + password>`.",
		}
	}
	token := ""
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	} else if _, password, ok := r.BasicAuth(); ok {
		token = password
	}
	scopes, ok := s.tokens[token]
	if !ok {
		return nil, &wireError{
			status: http.StatusUnauthorized, ID: "unauthorized",
			Message: "Invalid credentials provided.",
		}
	}
	return scopes, nil
}

// permits reports whether a token of these scopes may send r.
func permits(scopes []string, r *http.Request) bool {
	may := func(wanted ...string) bool {
		return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(wanted, s) })
	}
	switch {
	case may("global", "write", "write-protected"):
		return true
	case r.Method != http.MethodGet:
		return false
	case may("read", "read-protected"):
		return true
	}
	return may("identity") && strings.HasPrefix(r.URL.Path, "/account")
}

// negotiate returns nil if r asks for version 3 of the API, or for one of its variants.
func negotiate(r *http.Request) *wireError {
	asked := false
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil || media != "application/vnd.heroku+json" || params["version"] == "" {
				continue
			}
			if v := params["version"]; v == "3" || strings.HasPrefix(v, "3.") {
				return nil
			}
			asked = true
		}
	}
	if asked {
		return &wireError{
			status: http.StatusNotAcceptable, ID: "not_acceptable",
			Message: "The requested version of the API is not available. Set `Accept: application/vnd.heroku+json; version=3` and try again.",
		}
	}
	// Only this error has its text in "error", as in the real API: it comes from before
	// version 3.
	return &wireError{
		status: http.StatusBadRequest, ID: "missing_version",
		Error: "Please specify a version along with Heroku's API MIME type. For example, `Accept: application/vnd.heroku+json; version=3`.\n",
	}
}
