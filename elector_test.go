package autoscale_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// office is an Elector whose answer a test sets.
type office struct {
	leads atomic.Bool
	ended atomic.Bool
	fault chan error
}

func (o *office) Run(ctx context.Context) error {
	defer o.ended.Store(true)
	select {
	case <-ctx.Done():
		o.leads.Store(false)
		return nil
	case err := <-o.fault:
		return err
	}
}

func (o *office) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "web.1", Number: 1, Until: time.Now().Add(time.Minute)}, o.leads.Load()
}

func TestElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{fault: make(chan error)}
		p, g := &platform{size: 9}, &gauge{sample: latency(slow)}
		a := autoscale.New(autoscale.Config{Prober: g, Scaler: p, Logger: silent, Elector: o})
		if _, err := a.Tick(t.Context(), time.Now()); !errors.Is(err, autoscale.ErrNotLeader) {
			t.Errorf("Tick of a follower = %v, want ErrNotLeader", err)
		}
		if p.reads+g.probes != 0 {
			t.Errorf("a follower probed %d times and read %d times", g.probes, p.reads)
		}
		if s := a.Status(); s.Leading || s.Last.Limit != limit.ByNotLeader {
			t.Errorf("status %+v", s)
		}
		stop := running(t, a)
		// The pages of other processes show it too.
		leads := func(want string) {
			t.Helper()
			events := a.Status().Events
			if !slices.ContainsFunc(events, func(e autoscale.Event) bool { return strings.HasSuffix(e.String(), want) }) {
				t.Errorf("no event says %q: %v", want, events)
			}
		}
		o.leads.Store(true)
		time.Sleep(31 * time.Second)
		if got := p.takeOrders(); !slices.Equal(got, []int{3}) {
			t.Errorf("as leader: ordered %v, want [3]", got)
		}
		if s := a.Status(); !s.Leading || s.Term.Number != 1 {
			t.Errorf("status %+v", s)
		}
		leads("the process web.1 leads now")
		o.leads.Store(false)
		time.Sleep(30 * time.Second)
		leads("the process web.1 no longer leads")
		if err := stop(); err != nil || !o.ended.Load() {
			t.Errorf("Run = %v, elector ended %t", err, o.ended.Load())
		}

		o = &office{fault: make(chan error)}
		a = autoscale.New(autoscale.Config{Prober: g, Scaler: p, Logger: silent, Elector: o})
		done := make(chan error, 1)
		go func() { done <- runFor(t, a.Run) }()
		gone := errors.New("the table is of the wrong shape")
		o.fault <- gone
		synctest.Wait()
		if s := a.Status(); s.Running || !errors.Is(s.Last.Err, gone) {
			t.Errorf("Status after the elector's permanent fault: running %t, %v", s.Running, s.Last.Err)
		}
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("Run = %v, want the elector's permanent fault", err)
		}
	})
}

// TestTermOutlastsTheLastTick stops in the middle of a tick: the term must not
// be given up before that is over.
func TestTermOutlastsTheLastTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		o.leads.Store(true)
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				time.Sleep(time.Second) // it is slow to return when its context ends
				if o.ended.Load() {
					t.Error("the term was given up in the middle of a tick")
				}
				return latency(fine), nil
			}),
			Scaler: &platform{size: 1}, Logger: silent, Elector: o,
		})
		stop := running(t, a)
		synctest.Wait()
		if err := stop(); err != nil || !o.ended.Load() {
			t.Errorf("Run = %v, elector ended %t", err, o.ended.Load())
		}
	})
}

// TestLeadershipLostInATick loses it between the measurement and the order.
func TestLeadershipLostInATick(t *testing.T) {
	o := &office{}
	o.leads.Store(true)
	r := newRig(t, func(c *autoscale.Config) {
		c.Elector = o
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
			o.leads.Store(false)
			return autoscale.Decision{Act: true, Size: 2}
		})
	})
	if _, err := r.tick(); !errors.Is(err, autoscale.ErrNotLeader) {
		t.Errorf("Tick = %v, want ErrNotLeader", err)
	}
	if got := r.platform.takeOrders(); got != nil {
		t.Errorf("ordered %v after the term had ended", got)
	}
	if got := r.a.Status().Counters.ScaleFailures; got != 0 {
		t.Errorf("counted %d failures to scale: it was not for want of the platform", got)
	}
}

func TestWarnsWhereEveryCopyWouldAct(t *testing.T) {
	for dyno, want := range map[string]bool{
		"web.1": true, "web.2": true, "web-12a34b56d-e78f9": true,
		"autoscaleworker.1": false, "web-admin.1": false, "website.1": false, "web": false, "": false,
	} {
		t.Run(dyno, func(t *testing.T) {
			t.Setenv("DYNO", dyno)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				stop := running(t, autoscale.New(autoscale.Config{
					Prober: &gauge{sample: latency(fine)}, Scaler: &platform{size: 1},
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}))
				time.Sleep(5 * time.Minute)
				if err := stop(); err != nil {
					t.Error(err)
				}
				if got := strings.Count(log.String(), "every one of them will act"); (got == 1) != want || got > 1 {
					t.Errorf("warned %d times, want %t", got, want)
				}
			})
		})
	}
}
