package heroku_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// What passes is tried again, with the same order and a new request id, after
// pauses that grow and that a Retry-After lengthens.
func TestRetry(t *testing.T) {
	fail := func(status int, headers ...string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return reply(status, "", headers...), nil }
	}
	reset := func() (*http.Response, error) { return nil, syscall.ECONNRESET }
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name     string
		answers  []func() (*http.Response, error)
		within   time.Duration
		ok       bool
		calls    int
		min, max time.Duration // of all pauses
	}{
		{"reset", []func() (*http.Response, error){reset}, 30 * time.Second, true, 2, 250 * time.Millisecond, 750 * time.Millisecond},
		{"503 and reset", []func() (*http.Response, error){fail(503), reset}, 30 * time.Second, true, 3, 750 * time.Millisecond, 2250 * time.Millisecond},
		{"three times", []func() (*http.Response, error){fail(503), reset, fail(502)}, 30 * time.Second, false, 3, 750 * time.Millisecond, 2250 * time.Millisecond},
		{"429", []func() (*http.Response, error){fail(429)}, 30 * time.Second, true, 2, 250 * time.Millisecond, 750 * time.Millisecond},
		{"429 of an empty account", []func() (*http.Response, error){fail(429, "RateLimit-Remaining", "0")}, 30 * time.Second, true, 2, 800 * time.Millisecond, 2401 * time.Millisecond},
		{"Retry-After", []func() (*http.Response, error){fail(429, "Retry-After", "7")}, 30 * time.Second, true, 2, 7 * time.Second, 7 * time.Second},
		{"Retry-After of a 503", []func() (*http.Response, error){fail(503, "Retry-After", " 7 ")}, 30 * time.Second, true, 2, 7 * time.Second, 7 * time.Second},
		{"Retry-After, a date", []func() (*http.Response, error){func() (*http.Response, error) {
			return reply(503, "", "Retry-After", at(9*time.Second)), nil
		}}, 30 * time.Second, true, 2, 9 * time.Second, 9 * time.Second},
		{"Retry-After, since 1970", []func() (*http.Response, error){fail(429, "Retry-After", "946684811")}, 30 * time.Second, true, 2, 0, 0}, // the bubble's year
		{"Retry-After too long", []func() (*http.Response, error){fail(429, "Retry-After", "31")}, 30 * time.Second, false, 1, 0, 0},
		{"Retry-After that nobody waits for", []func() (*http.Response, error){fail(503, "Retry-After", "31")}, 0, false, 1, 0, 0},
		{"Retry-After past", []func() (*http.Response, error){fail(503, "Retry-After", "Mon, 02 Jan 1995 15:04:05 GMT")}, 30 * time.Second, true, 2, 250 * time.Millisecond, 750 * time.Millisecond},
		{"Retry-After, nonsense", []func() (*http.Response, error){fail(503, "Retry-After", "soon"), fail(503, "Retry-After", "-5")}, 30 * time.Second, true, 3, 750 * time.Millisecond, 2250 * time.Millisecond},
		{"no time", []func() (*http.Response, error){reset}, 100 * time.Millisecond, false, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					if tt.name == "Retry-After, since 1970" {
						// The clock of a bubble starts in 2000, before the numbers that can only be times.
						time.Sleep(time.Until(time.Unix(1_353_003_093, 0)))
						tt.answers = []func() (*http.Response, error){fail(429, "Retry-After", "1353003104")}
						tt.min, tt.max = 11*time.Second, 11*time.Second
					}
					p := answering(formation, func(n int) (*http.Response, error) {
						if n <= len(tt.answers) {
							return tt.answers[n-1]()
						}
						return reply(200, web3), nil
					})
					scaler := client(p).Scaler("shop", "web")
					ctx := t.Context()
					if tt.within > 0 {
						ctx = within(t, tt.within)
					}
					start := time.Now()
					var err error
					if order {
						err = scaler.Scale(ctx, 3)
					} else {
						_, err = scaler.Capacity(ctx)
					}
					took := time.Since(start)
					if (err == nil) != tt.ok {
						t.Errorf("err = %v", err)
					}
					var tried []sent
					ids := make(map[string]bool)
					for _, s := range p.sent {
						if s.path == formation {
							tried = append(tried, s)
							ids[s.header.Get("Request-Id")] = true
							if order && s.body != `{"quantity":3}` {
								t.Errorf("the body of try %d is %q", len(tried), s.body)
							}
						}
					}
					if len(tried) != tt.calls || len(ids) != tt.calls {
						t.Errorf("%d calls with %d ids, want %d", len(tried), len(ids), tt.calls)
					}
					if took < tt.min || took > tt.max {
						t.Errorf("took %v, want %v to %v", took, tt.min, tt.max)
					}
				})
			}
		})
	}
}

// Pauses grow, and those who failed together do not come back together.
func TestBackoff(t *testing.T) {
	first := make(map[time.Duration]bool)
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			p := &platform{answer: func(*http.Request, int) (*http.Response, error) { return nil, syscall.ECONNREFUSED }}
			err := client(p).Scaler("shop", "web").Scale(t.Context(), 3)
			if !errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "https://") {
				t.Errorf("err = %v", err)
			}
			one, two := p.sent[1].at.Sub(p.sent[0].at), p.sent[2].at.Sub(p.sent[1].at)
			if one < 250*time.Millisecond || one > 750*time.Millisecond || two < 500*time.Millisecond || two > 1500*time.Millisecond {
				t.Errorf("pauses of %v and %v", one, two)
			}
			first[one] = true
		})
	}
	if len(first) < 20 {
		t.Errorf("%d different pauses in 40", len(first))
	}
}

func TestRetryAfterForms(t *testing.T) {
	tests := map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"-5":                            0,
		"1.5":                           0,
		"120":                           2 * time.Minute,
		"90000":                         10 * time.Minute,
		"99999999999":                   10 * time.Minute,
		"9223372036854775807":           10 * time.Minute,
		"-9223372036854775808":          0,
		"Sat, 01 Jan 2000 00:01:00 GMT": time.Minute,
		"Sat, 01 Jan 1999 00:01:00 GMT": 0,
		"Sat, 01 Jan 9999 00:01:00 GMT": 10 * time.Minute,
	}
	for header, want := range tests {
		synctest.Test(t, func(t *testing.T) {
			p := &platform{answer: func(*http.Request, int) (*http.Response, error) { return reply(503, "", "Retry-After", header), nil }}
			err := client(p).Scaler("shop", "web").Scale(within(t, time.Millisecond), 3)
			var e *heroku.Error
			if !errors.As(err, &e) || e.RetryAfter != want {
				t.Errorf("%q: %v", header, err)
			}
		})
	}
}

// An attempt that hangs leaves time for another.
func TestAttemptTimeout(t *testing.T) {
	cfg := herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}
	bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		s.Inject(herokutest.Fault{Method: "PATCH", Hang: true})
		start := time.Now()
		if err := c.Scaler("shop", "web").Scale(within(t, 30*time.Second), 2); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("took %v, want the 10s of one attempt", took)
		}
		s.Inject(herokutest.Fault{Method: "PATCH", Hang: true, Times: -1})
		err := c.Scaler("shop", "web").Scale(within(t, time.Minute), 2)
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() || !strings.Contains(err.Error(), ": no answer: gave up after 10s, after 3 tries") {
			t.Errorf("err = %v", err)
		}
	})
}

// An order that was carried out without an answer is repeated, and counts once.
func TestLostAnswer(t *testing.T) {
	cfg := herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}
	bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		s.Inject(herokutest.Fault{Method: "PATCH", Apply: true, Reset: true})
		if err := c.Scaler("shop", "web").Scale(within(t, 30*time.Second), 3); err != nil {
			t.Error(err)
		}
		if got := app.Quantity("web"); got != 3 || len(s.Writes()) != 2 {
			t.Errorf("the quantity is %d after %d writes, want 3 after 2", got, len(s.Writes()))
		}
	})
}
