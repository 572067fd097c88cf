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

// NotifierOptions are the options of [Notifier].
type NotifierOptions struct {
	// Received, if set, returns how many events have arrived since the notifier was made.
	// Leave it nil if an event is not always one message.
	Received func() int

	// Fail, if set, makes the other side refuse events. If fail is false, it makes the
	// other side accept them again.
	Fail func(fail bool)

	// Secrets are texts that no error may contain, such as the URL of a webhook or a
	// token.
	Secrets []string
}

// Notifier tests a notifier. It calls Notify with events of every kind and phase, one at a
// time and many at once. Some have empty fields, some long ones, and some odd characters.
// It fails t if an event is refused or lost, if a failure returns no error, if a call does
// not end with its context, or if an error contains a secret.
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
		if o.Received != nil {
			eventually(t, time.Minute, time.Millisecond, "every event has arrived", func() bool { return o.Received() >= sent })
			if n := o.Received(); n != sent {
				t.Errorf("%d of %d events arrived", n, sent)
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
			t.Skip("NotifierOptions.Fail is not set")
		}
		o.Fail(true)
		short, cancel := context.WithTimeout(ctx, 10*time.Second) // as much as an Autoscaler gives
		defer cancel()
		err := n.Notify(short, events()[0])
		o.Fail(false)
		if err == nil {
			t.Fatal("the other side refused the event, and Notify returned nil")
		}
		for _, secret := range o.Secrets {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Error("the error holds a secret") // so the error is not printed
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
			_ = n.Notify(ended, events()[0]) // may succeed if it need not wait
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
