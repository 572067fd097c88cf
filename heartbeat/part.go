package heartbeat

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// A Part is an argument of [Handler]: a [Dependency] to exercise, or an [Option]. There
// are no other kinds.
type Part interface {
	add(h *handler) error
}

// An Option is a [Part] that exercises nothing. If two of a kind are given, the last one
// counts.
type Option struct {
	apply func(h *handler) error
}

func (o Option) add(h *handler) error {
	if o.apply == nil {
		return errors.New("an empty Option: use one that a function of this package returns")
	}
	return o.apply(h)
}

// Handler returns the page. It exercises the disk, as Disk("") does, then a cache in
// memory, and then the dependencies among the arguments. It exercises them in their
// order, one after the other, unless [Parallel] is given. A dependency named "disk" or
// "cache" replaces the default of that name. [NoDefaults] leaves both defaults out.
//
// Like [http.ServeMux.Handle], Handler panics if an argument makes no sense: a nil
// database, cache or func, a name that [Check] does not allow or that is used twice, or a
// limit that is not above 0. An invalid token does not make it panic, because tokens come
// from the environment: see [Token].
//
// The handler is safe for concurrent use, starts nothing before the first request, and
// works at any path.
func Handler(parts ...Part) http.Handler {
	h := &handler{
		timeout: defaultTimeout,
		most:    defaultMaxConcurrent,
		checks:  []*check{newCheck(Disk("")), newCheck(memoryCache())},
	}
	for _, c := range h.checks {
		c.byDefault = true
	}
	var faults []string
	for i, p := range parts {
		err := errors.New("is nil: leave it out")
		if p != nil {
			err = p.add(h)
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("argument %d: %v", i+1, err))
		}
	}
	if len(h.checks) == 0 {
		faults = append(faults, "nothing is left to exercise: name a dependency, as SQL(db), or leave out NoDefaults()")
	}
	if faults != nil {
		panic("heartbeat.Handler: " + strings.Join(faults, "; "))
	}
	h.ready()
	h.reportTokens()
	return h
}

// reportTokens logs which tokens let nobody in.
func (h *handler) reportTokens() {
	defer func() { _ = recover() }() // the host's logger may panic
	for _, fault := range h.badTokens {
		effect := "; the other tokens count"
		if len(h.tokens) == 0 {
			effect = "; the heartbeat answers nobody, and the service goes on"
		}
		cmp.Or(h.logger, slog.Default()).Error("heartbeat: " + fault + effect)
	}
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (d Dependency) add(h *handler) error {
	if d.fault != "" {
		return errors.New(d.fault)
	}
	if d.run == nil {
		return errors.New("an empty Dependency: use one that a function of this package returns")
	}
	if !validName.MatchString(d.name) {
		return fmt.Errorf("the name %q: it must begin with a letter a-z and hold at most 32 of a-z, 0-9, _ and -", d.name)
	}
	if d.name == totalName {
		return fmt.Errorf("the name %q: Server-Timing gives it to the whole heartbeat: choose another", d.name)
	}
	if d.limited && d.limit <= 0 {
		return fmt.Errorf("%s.Within(%v): it must be above 0", d.name, d.limit)
	}
	same := func(c *check) bool { return c.name == d.name }
	if i := slices.IndexFunc(h.checks, same); i >= 0 {
		if !h.checks[i].byDefault {
			return fmt.Errorf("the name %q is used twice: give one of the two another, as SQL(db).Named(\"replica\")", d.name)
		}
		h.checks = slices.Delete(h.checks, i, i+1)
	}
	h.checks = append(h.checks, newCheck(d))
	return nil
}

// NoDefaults leaves out the disk and the cache in memory. Then at least one dependency
// must be given. Use it in containers whose disk is read-only.
func NoDefaults() Option {
	return Option{func(h *handler) error {
		h.checks = slices.DeleteFunc(h.checks, func(c *check) bool { return c.byDefault })
		return nil
	}}
}

// maxToken bounds what is hashed for a stranger.
const maxToken = 1 << 10

var validToken = regexp.MustCompile(`^[!-~]+$`)

// Token makes the handler answer only requests that send one of the tokens, as
// Authorization: Bearer TOKEN. Other requests get 404, as if nothing were there, before
// anything is exercised. With several tokens, one can be replaced while autoscalers still
// send the old one. A token is 1 to 1,024 visible ASCII characters. A random one of 20 or
// more cannot be guessed.
//
// A token that is empty or has other characters lets nobody in, and [Handler] logs that.
// It does not panic, because an unset environment variable must not keep the service from
// starting.
func Token(tokens ...string) Option {
	return Option{func(h *handler) error {
		if len(tokens) == 0 {
			return errors.New("Token(): give a token, or leave Token out to answer everybody")
		}
		h.tokens, h.badTokens = make([][32]byte, 0, len(tokens)), nil
		for i, t := range tokens {
			// The token itself stays out of the message.
			switch {
			case t == "":
				h.badTokens = append(h.badTokens, fmt.Sprintf("token %d of Token is empty: is its environment variable set? Leave Token out to answer everybody", i+1))
			case len(t) > maxToken || !validToken.MatchString(t):
				h.badTokens = append(h.badTokens, fmt.Sprintf("token %d of Token: it must hold at most %d characters, of visible ASCII without spaces; is there a line break after it?", i+1, maxToken))
			default:
				h.tokens = append(h.tokens, sha256.Sum256([]byte(t)))
			}
		}
		return nil
	}}
}

// admits reports whether the request carries one of the tokens. Its time does not depend
// on which one, or on how much of a token is right.
func (h *handler) admits(r *http.Request) bool {
	if h.tokens == nil {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range h.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], h.tokens[i][:])
	}
	return found == 1
}

// MaxConcurrent sets how many heartbeats are answered at once, by default 4. Any others
// are shed: they get 429. n must be above 0. Without a [Token] the prober has n places,
// and requests without its header have n others.
func MaxConcurrent(n int) Option {
	return Option{func(h *handler) error {
		if n <= 0 {
			return fmt.Errorf("MaxConcurrent(%d): it must be above 0", n)
		}
		h.most = n
		return nil
	}}
}

// Limit sheds heartbeats when l has no token left. By default the rate has no limit.
// Without a [Token], l limits only the requests without the prober's header. The prober's
// requests then have a limiter of their own, with the rate and burst that l has when
// Handler is called.
func Limit(l *rate.Limiter) Option {
	return Option{func(h *handler) error {
		if l == nil {
			return errors.New("Limit(nil): give a limiter, as rate.NewLimiter(10, 20), or leave Limit out")
		}
		h.limiter = l
		return nil
	}}
}

// Timeout sets how long the checks of one heartbeat may take altogether, by default 10 s.
// A prober with a shorter timeout shortens it: see Time in the package documentation. d
// must be above 0. It should be below the platform's own timeout for a request, which is
// 30 s on Heroku.
func Timeout(d time.Duration) Option {
	return Option{func(h *handler) error {
		if d <= 0 {
			return fmt.Errorf("Timeout(%v): it must be above 0", d)
		}
		h.timeout = d
		return nil
	}}
}

// Parallel runs the checks of a heartbeat at the same time, so that it takes as long as
// the slowest check. It is for services whose pages also fetch what they need in parallel.
func Parallel() Option {
	return Option{func(h *handler) error {
		h.parallel = true
		return nil
	}}
}

// Logger sets where failures are logged, by default [slog.Default]. They are logged at
// level Error with the attributes check, duration and error, and with stack for a panic.
// A check that keeps failing is logged five times, and then once a second at most.
//
// Known forms of secrets are cut out of the log: passwords and queries in URLs, passwords
// in the DSNs of the usual drivers, and values after words such as password, token or
// api_key. This is only a safety net. Your own checks should not put secrets into their
// errors.
func Logger(l *slog.Logger) Option {
	return Option{func(h *handler) error {
		h.logger = l
		return nil
	}}
}
