package autoscaletest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// NotifierOptions say how [Notifier] tests.
type NotifierOptions struct {
	// Told, if set, returns how many events have arrived since the notifier was
	// made. Leave it nil where one event need not be one message.
	Told func() int

	// Fail, if set, has the other side refuse events from now on, or take them
	// again.
	Fail func(fail bool)

	// Secrets are words that no error may hold: a webhook's URL, a token.
	Secrets []string
}

// Notifier tests a notifier: it tells it of one event of every kind and phase,
// with fields that are empty, long and full of odd characters, one at a time and
// many at once. It fails t where an event is refused or lost, where a failure is
// no error, where a call does not end with its context, and where an error holds
// a secret.
func Notifier(t *testing.T, n autoscale.Notifier, o NotifierOptions) {
	t.Helper()
	if err := validate(n); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	sent := 0
	arrived := func(t *testing.T) {
		t.Helper()
		if o.Told != nil {
			eventually(t, time.Minute, time.Millisecond, "every event has arrived", func() bool { return o.Told() >= sent })
			if told := o.Told(); told != sent {
				t.Errorf("of %d events %d arrived", sent, told)
			}
		}
	}
	t.Run("EveryKind", func(t *testing.T) {
		for _, e := range events() {
			before := e
			if err := n.Notify(ctx, e); err != nil {
				t.Errorf("%v, %v: %v", e.Kind, e.Phase, err)
				continue
			}
			sent++
			if e.String() != before.String() {
				t.Errorf("the event was changed from %q to %q", before.String(), e.String())
			}
		}
		arrived(t)
	})
	t.Run("Concurrently", func(t *testing.T) {
		e := events()[0]
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 4 {
					if err := n.Notify(ctx, e); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		sent += 32
		arrived(t)
	})
	t.Run("Failure", func(t *testing.T) {
		if o.Fail == nil {
			t.Skip("there is no way to have the other side fail")
		}
		o.Fail(true)
		short, cancel := context.WithTimeout(ctx, 10*time.Second) // as an Autoscaler gives
		defer cancel()
		err := n.Notify(short, events()[0])
		o.Fail(false)
		if err == nil {
			t.Fatal("the other side refused the event, and Notify returned nil")
		}
		for _, secret := range o.Secrets {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Error("the error holds a secret") // which is not repeated here
			}
		}
		if err := n.Notify(ctx, events()[0]); err != nil {
			t.Errorf("after a failure: %v", err)
		}
		sent++
		arrived(t)
	})
	t.Run("Context", func(t *testing.T) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = n.Notify(ended, events()[0]) // what needs no waiting may be told
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error("Notify does not end with its context")
		}
	})
}

// events returns events of every kind and phase.
func events() (all []autoscale.Event) {
	odd := "a \"quoted\" <b>line</b> & *more*\r\n\x00\x1b[2J\u2028 ünïcödé 🚀 " + strings.Repeat("long ", 500)
	when := time.Date(2026, time.February, 28, 23, 59, 59, 999, time.UTC)
	for kind := autoscale.EventKind(1); kind <= autoscale.AllKinds; kind <<= 1 {
		for phase := autoscale.Occurred; phase <= autoscale.Ended; phase++ {
			e := autoscale.Event{Kind: kind, Phase: phase, Time: when, Name: "web", From: 1, To: 2, Min: 1, Max: 3}
			switch phase {
			case autoscale.Began:
				e.Err, e.Detail, e.Count = errors.New(odd), odd, 1<<31
			case autoscale.Repeated:
				e.Name, e.Since, e.Until = odd, when.Add(-time.Hour), when.Add(time.Hour)
			case autoscale.Ended:
				e = autoscale.Event{Kind: kind, Phase: phase}
			}
			all = append(all, e)
		}
	}
	return all
}
