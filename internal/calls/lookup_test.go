package calls_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// An answer is looked up again when it is old. A failed look leaves it standing for a while.
func TestLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := errors.New("denied")
		l := &calls.Lookup[string]{Age: 10 * time.Minute, Trust: 30 * time.Minute, Retry: func(err error) time.Duration {
			if errors.Is(err, denied) {
				return 10 * time.Minute
			}
			return time.Minute
		}}
		answer, fault, looks := "", errors.New("no answer"), 0
		began := time.Now()
		get := func(minute int, want string, wantErr error, wantLooks int) {
			t.Helper()
			time.Sleep(time.Duration(minute)*time.Minute - time.Since(began))
			got, err := l.Get(t.Context(), func(context.Context) (string, error) { looks++; return answer, fault })
			if got != want || !errors.Is(err, wantErr) || looks != wantLooks {
				t.Errorf("minute %d: %q, %v after %d looks; want %q, %v after %d", minute, got, err, looks, want, wantErr, wantLooks)
			}
		}
		get(0, "", fault, 1)
		if l.Ever() {
			t.Error("there was an answer")
		}
		answer, fault = "on", nil
		get(0, "", nil, 1) // not yet again
		get(1, "on", nil, 2)
		get(10, "on", nil, 2)
		fault = denied
		get(11, "on", nil, 3)
		get(20, "on", nil, 3) // a refusal lasts
		fault = errors.New("no answer")
		get(21, "on", nil, 4)
		get(22, "on", nil, 5)
		get(31, "", fault, 6) // for thirty minutes
		get(31, "", nil, 6)
		if !l.Ever() {
			t.Error("there was no answer")
		}
		answer, fault = "off", nil
		get(32, "off", nil, 7)
		l.Forget()
		get(32, "off", nil, 8)
	})
}

// Others do not look while one does.
func TestLookupOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &calls.Lookup[int]{Age: time.Hour, Trust: time.Hour}
		looks := 0
		for range 5 {
			go l.Get(t.Context(), func(context.Context) (int, error) {
				looks++
				time.Sleep(time.Second)
				return 1, nil
			})
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n, err := l.Get(t.Context(), nil); n != 1 || err != nil || looks != 1 {
			t.Errorf("%d, %v after %d looks", n, err, looks)
		}
	})
}
