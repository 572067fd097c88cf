package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/notify"
)

var errReset = errors.New("connection reset by peer")

// script answers one request after the other, an error or a response each, and
// notes when they came, since the start of the bubble.
type script struct {
	start   time.Time
	answers []any
	times   []time.Duration
	keys    map[string]int
	faults  []error
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.times = append(s.times, time.Since(s.start))
	s.keys[r.Header.Get(notify.HeaderIdempotencyKey)]++
	body, _ := io.ReadAll(r.Body)
	// Each try is signed anew, so that it is not too old when it arrives.
	if err := notify.Verify("k", r.Header.Get(notify.HeaderSignature), body, time.Second); err != nil {
		s.faults = append(s.faults, err)
	}
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	switch next := next.(type) {
	case error:
		return nil, next
	case func(*http.Request) (*http.Response, error):
		return next(r)
	}
	return next.(*http.Response), nil
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestWebhookTriesAgain(t *testing.T) {
	const none = -1
	later := func(d time.Duration) string { // the bubble's clock starts at 2000-01-01
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
	}
	sec := func(n ...float64) (d []time.Duration) {
		for _, n := range n {
			d = append(d, time.Duration(n*float64(time.Second)))
		}
		return d
	}
	for name, tc := range map[string]struct {
		answers []any
		timeout time.Duration // 0: ten seconds; none: no deadline
		least   []time.Duration
		most    []time.Duration // when the tries come
		want    string          // in the error; empty: none
	}{
		"at once":           {answers: []any{answer(200, "")}, least: sec(0), most: sec(0)},
		"204":               {answers: []any{answer(204, "")}, least: sec(0), most: sec(0)},
		"500 then 200":      {answers: []any{answer(500, ""), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"reset then 200":    {answers: []any{errReset, answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"408 429 200":       {answers: []any{answer(408, ""), answer(429, ""), answer(200, "")}, least: sec(0, .5, 1.5), most: sec(0, 1, 3)},
		"503 for ever":      {answers: []any{answer(503, "")}, least: sec(0, .5, 1.5), most: sec(0, 1, 3), want: "status 503, after 3 tries"},
		"reset for ever":    {answers: []any{errReset}, least: sec(0, .5, 1.5), most: sec(0, 1, 3), want: "connection reset by peer, after 3 tries"},
		"500 then 400":      {answers: []any{answer(500, ""), answer(400, "")}, least: sec(0, .5), most: sec(0, 1), want: "status 400: it does not take this body"},
		"Retry-After":       {answers: []any{answer(429, "", "Retry-After", "7"), answer(200, "")}, least: sec(0, 7), most: sec(0, 7)},
		"with decimals":     {answers: []any{answer(429, "", "Retry-After", "4.75"), answer(200, "")}, least: sec(0, 4.75), most: sec(0, 4.75)},
		"absurd decimals":   {answers: []any{answer(429, "", "Retry-After", "99999999999999999999999.5")}, least: sec(0), most: sec(0), want: "no time is left"},
		"not decimals":      {answers: []any{answer(429, "", "Retry-After", "1e9"), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"a point alone":     {answers: []any{answer(429, "", "Retry-After", "."), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"as a date":         {answers: []any{answer(503, "", "Retry-After", later(5*time.Second)), answer(200, "")}, least: sec(0, 5), most: sec(0, 5)},
		"a date gone by":    {answers: []any{answer(503, "", "Retry-After", later(-time.Hour)), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"shorter than ours": {answers: []any{answer(503, "", "Retry-After", "0"), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"not a time":        {answers: []any{answer(503, "", "Retry-After", "-3"), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"too long":          {answers: []any{answer(429, "", "Retry-After", "11"), answer(200, "")}, least: sec(0), most: sec(0), want: "status 429, and no time is left for another try in 11s"},
		"absurd":            {answers: []any{answer(429, "", "Retry-After", "18446744073709551615")}, least: sec(0), most: sec(0), want: "no time is left"},
		"beyond absurd":     {answers: []any{answer(429, "", "Retry-After", "99999999999999999999999"), answer(200, "")}, least: sec(0, .5), most: sec(0, 1)},
		"a date far off":    {answers: []any{answer(429, "", "Retry-After", later(100*365*24*time.Hour))}, least: sec(0), most: sec(0), want: "no time is left"},
		"no time at all":    {answers: []any{answer(500, "")}, timeout: 300 * time.Millisecond, least: sec(0), most: sec(0), want: "status 500, and no time is left"},
		"hangs":             {answers: []any{hang}, least: sec(0), most: sec(0), want: "context deadline exceeded"},
		"500 then hangs":    {answers: []any{answer(500, ""), hang}, least: sec(0, .5), most: sec(0, 1), want: "context deadline exceeded"},
		"no deadline":       {answers: []any{hang}, timeout: none, least: sec(0), most: sec(0), want: "context deadline exceeded"},
		"400":               {answers: []any{answer(400, "invalid_payload")}, least: sec(0), most: sec(0), want: "status 400 (invalid_payload): it does not take"},
		"401":               {answers: []any{answer(401, "")}, least: sec(0), most: sec(0), want: "status 401: check that the URL"},
		"403":               {answers: []any{answer(403, "action_prohibited\n")}, least: sec(0), most: sec(0), want: "status 403 (action_prohibited): check"},
		"404":               {answers: []any{answer(404, "<html>")}, least: sec(0), most: sec(0), want: "status 404: check that the URL"},
		"410":               {answers: []any{answer(410, "channel_is_archived")}, least: sec(0), most: sec(0), want: "status 410 (channel_is_archived): check"},
		"413":               {answers: []any{answer(413, "")}, least: sec(0), most: sec(0), want: "status 413: it does not take"},
		"418":               {answers: []any{answer(418, "")}, least: sec(0), most: sec(0), want: "status 418"},
		"302":               {answers: []any{answer(302, "", "Location", "https://example.org/")}, least: sec(0), most: sec(0), want: "status 302 redirects"},
		"304":               {answers: []any{answer(304, "")}, least: sec(0), most: sec(0), want: "status 304 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{start: time.Now(), answers: tc.answers, keys: make(map[string]int)}
				ctx, limit := t.Context(), 10*time.Second
				switch tc.timeout {
				case none:
					limit = 30 * time.Second
				case 0:
					tc.timeout = limit
					fallthrough
				default:
					limit = tc.timeout
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.timeout)
					defer cancel()
				}
				n := notify.Webhook("https://example.com/x", notify.WebhookOptions{Secret: "k", Client: &http.Client{Transport: s}})
				err := n.Notify(ctx, scaled())
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				if hangs := strings.Contains(tc.want, "deadline"); hangs != errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error does not wrap what happened: %v", err)
				}
				if took := time.Since(s.start); took > limit || strings.Contains(tc.want, "deadline") && took != limit {
					t.Errorf("it took %v of %v", took, limit)
				}
				if len(s.times) != len(tc.least) {
					t.Fatalf("tried at %v", s.times)
				}
				for i, at := range s.times {
					if at < tc.least[i] || at > tc.most[i] {
						t.Errorf("try %d came at %v, want %v to %v", i+1, at, tc.least[i], tc.most[i])
					}
				}
				if len(s.keys) != 1 || s.keys[""] != 0 {
					t.Errorf("the tries have the keys %v", s.keys)
				}
				if s.faults != nil {
					t.Error(s.faults)
				}
			})
		})
	}
}

func TestWebhookPausesDiffer(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := &script{start: time.Now(), answers: []any{errReset, answer(200, "")}, keys: make(map[string]int)}
			if err := notify.Webhook("https://example.com", notify.WebhookOptions{Secret: "k", Client: &http.Client{Transport: s}}).Notify(t.Context(), scaled()); err != nil {
				t.Fatal(err)
			}
			seen[s.times[1]] = true
		})
	}
	if len(seen) < 10 {
		t.Errorf("20 pauses had %d lengths", len(seen))
	}
}

func TestWebhookStopsPausingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
		start := time.Now()
		n := notify.Webhook("https://example.com", notify.WebhookOptions{Client: client(func(*http.Request) (*http.Response, error) {
			return answer(500, ""), nil
		})})
		err := n.Notify(ctx, scaled())
		if !errors.Is(err, stopped) || !strings.Contains(err.Error(), "status 500") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestWebhookBoundsAnswers meets bodies that never end.
func TestWebhookBoundsAnswers(t *testing.T) {
	for _, status := range []int{200, 302, 404, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var body *endless
				send := func(stall bool) time.Duration {
					n := notify.Webhook("https://example.com", notify.WebhookOptions{Client: client(func(r *http.Request) (*http.Response, error) {
						res := answer(status, "")
						body = &endless{ctx: r.Context(), stall: stall}
						res.Body = body
						return res, nil
					})})
					start := time.Now()
					if err := n.Notify(ctx, scaled()); (err == nil) != (status == 200) {
						t.Errorf("got %v", err)
					}
					return time.Since(start)
				}
				send(false)
				if body.read > 8<<10 {
					t.Errorf("read %d bytes", body.read)
				}
				if took := send(true); status == 200 && took > 0 {
					t.Errorf("a success took %v because its body did not end", took)
				}
			})
		})
	}
}

func TestWebhookRetriesForReal(t *testing.T) {
	statuses := []int{500, 429, 200}
	var r *receiver
	r = newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[len(r.requests())-1])
	})
	if err := notify.Webhook(r.URL, notify.WebhookOptions{}).Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	got := r.requests()
	if len(got) != 3 {
		t.Fatalf("got %d requests", len(got))
	}
	if diff := cmp.Diff(got[0].body, got[2].body); diff != "" {
		t.Errorf("the last try had another body: %s", diff)
	}
}
