package calls_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// An api in memory, which accepts one token of those that it gave out.
type api struct {
	given, asked atomic.Int32
	accepts      atomic.Int32 // the number of the token
	fail         atomic.Pointer[error]
	life         time.Duration // of a token. 0: an hour
}

func (a *api) get(ctx context.Context) (string, time.Duration, error) {
	time.Sleep(time.Second)
	if err := a.fail.Load(); err != nil {
		return "", 0, *err
	}
	n := a.given.Add(1)
	a.accepts.Store(n)
	return fmt.Sprintf("bearer-%d", n), cmp.Or(a.life, time.Hour), ctx.Err()
}

func (a *api) RoundTrip(req *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	rec := httptest.NewRecorder()
	if got := req.Header.Get("Authorization"); got != fmt.Sprintf("Bearer bearer-%d", a.accepts.Load()) {
		rec.WriteHeader(401)
		fmt.Fprintf(rec, `{"message":"not with %s, nor with bearer-1"}`, got)
	} else {
		fmt.Fprint(rec, "{}")
	}
	return rec.Result(), nil
}

func bearing(a *api) *calls.Client {
	d := dialect()
	b := calls.NewBearer(a.get)
	d.Authorize, d.Renew, d.Hidden = b.Authorize, b.Renew, b.Hidden
	return calls.New(d, &platform.Options{Transport: a})
}

var read = calls.Call{Op: "read", Subject: "web", Path: "/"}

// A token is got once for all, again in time, and once more if it is refused.
func TestBearer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		c := bearing(a)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := c.Do(t.Context(), read, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if a.given.Load() != 1 || a.asked.Load() != 10 {
			t.Errorf("%d tokens, %d calls", a.given.Load(), a.asked.Load())
		}
		time.Sleep(56 * time.Minute)
		if err := c.Do(t.Context(), read, nil); err != nil || a.given.Load() != 2 {
			t.Errorf("an hour later: %v, %d tokens", err, a.given.Load())
		}
		time.Sleep(2 * time.Minute)
		a.accepts.Store(-1) // it was revoked
		if err := c.Do(t.Context(), read, nil); err != nil || a.given.Load() != 3 {
			t.Errorf("revoked: %v, %d tokens", err, a.given.Load())
		}
	})
}

// A token of a short life is kept no longer, and is renewed if it is refused when half of it
// is over.
func TestShortBearer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{life: 10 * time.Second}
		c := bearing(a)
		for range 3 {
			if err := c.Do(t.Context(), read, nil); err != nil {
				t.Error(err)
			}
			time.Sleep(11 * time.Second)
		}
		if a.given.Load() != 3 {
			t.Errorf("%d tokens in 33 seconds", a.given.Load())
		}
		if err := c.Do(t.Context(), read, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(6 * time.Second)
		a.accepts.Store(-1) // it ended early
		if err := c.Do(t.Context(), read, nil); err != nil || a.given.Load() != 5 {
			t.Errorf("%v, %d tokens", err, a.given.Load())
		}
	})
}

// A new token that is refused does not lead to a third, and shows nowhere.
func TestBearerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		c := bearing(a)
		if err := c.Do(t.Context(), read, nil); err != nil {
			t.Fatal(err)
		}
		a.accepts.Store(-1)
		err := c.Do(t.Context(), read, nil)
		var e *platform.Error
		if !errors.As(err, &e) || e.Status != 401 || e.Tries != 1 || a.given.Load() != 1 {
			t.Errorf("%v, %d tokens", err, a.given.Load())
		}
		_ = c.Do(t.Context(), read, nil) // with another token
		a.accepts.Store(-1)
		newer := c.Do(t.Context(), read, nil)
		for _, err := range []error{err, newer} {
			if err == nil || strings.Contains(err.Error(), "bearer-") {
				t.Errorf("a token shows: %v", err)
			}
		}
	})
}

// A token that cannot be had is the call's error, and ends with the call.
func TestBearerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		c := bearing(a)
		fail := func(err error) { a.fail.Store(&err) }
		fail(&platform.Error{Status: 403, Message: "no"})
		if err := c.Do(t.Context(), read, nil); err == nil || !strings.Contains(err.Error(), "acme: read: web: 403 Forbidden: getting an access token: no") {
			t.Errorf("refused: %v", err)
		}
		fail(&platform.Error{Err: errors.New("no route")})
		if err := c.Do(t.Context(), read, nil); err == nil || !strings.Contains(err.Error(), "acme: read: web: no answer: getting an access token: no route") {
			t.Errorf("no answer: %v", err)
		}
		fail(errors.New("no network"))
		if err := c.Do(t.Context(), read, nil); err == nil || !strings.Contains(err.Error(), "getting an access token: no network") {
			t.Errorf("no network: %v", err)
		}
		var first sync.WaitGroup
		defer first.Wait()
		first.Go(func() { _ = c.Do(t.Context(), read, nil) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := c.Do(ctx, read, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 100*time.Millisecond {
			t.Errorf("behind another: %v after %v", err, time.Since(start))
		}
		for _, bad := range []string{"", "a b", strings.Repeat("x", 1<<16)} {
			b := calls.NewBearer(func(context.Context) (string, time.Duration, error) { return bad, time.Hour, nil })
			if err := b.Authorize(t.Context(), httptest.NewRequest("GET", "/", nil), nil); err == nil || strings.Contains(err.Error(), "xxx") {
				t.Errorf("the token %.10q: %v", bad, err)
			}
		}
	})
}
