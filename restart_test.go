package autoscale_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// TestRestartEquivalence holds one leader that lives on against a leader that is
// replaced after every tick, under the same script. A new leader restores all from the
// Store, so both must order, notify and show the same.
func TestRestartEquivalence(t *testing.T) {
	for seed := range uint64(120) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { restartScript(t, seed, 80) })
		})
	}
}

// A world is one platform, one prober and one store.
type world struct {
	*rig
	registry *registry
	change   func(*autoscale.Config)
	replaced int
}

// replace makes another process the leader.
func (w *world) replace() {
	w.replaced++
	seat := w.registry.seat(fmt.Sprintf("web.%d", w.replaced))
	seat.lead()
	next := newRig(w.t, func(c *autoscale.Config) {
		w.change(c)
		c.Elector = lasting{seat}
		if w.rig != nil {
			c.Scaler, c.Prober = w.platform, w.gauge
		}
	})
	if w.rig != nil {
		next.platform, next.gauge = w.platform, w.gauge
	}
	w.rig = next
}

// lasting is a seat that cannot resign: the leader that lives on must lead on.
type lasting struct{ seat *seat }

func (l lasting) Run(ctx context.Context) error    { return l.seat.Run(ctx) }
func (l lasting) Current() (autoscale.Term, bool)  { return l.seat.Current() }
func (l lasting) Record() (autoscale.Record, bool) { return l.seat.Record() }
func (l lasting) Save(ctx context.Context, term int64, data []byte) error {
	return l.seat.Save(ctx, term, data)
}

func (l lasting) Command(ctx context.Context, data []byte) error { return l.seat.Command(ctx, data) }

func restartScript(t *testing.T, seed uint64, ticks int) {
	random := rand.New(rand.NewPCG(seed, 7))
	pick := func(of ...int) int { return of[random.IntN(len(of))] }
	minutes := func(of ...int) time.Duration { return time.Duration(pick(of...)) * time.Minute }
	cfg := autoscale.Config{
		Max: autoscale.Fixed(pick(3, 8, 40)),
		Limits: limit.Limits{
			Up:                 limit.Behavior{Cooldown: minutes(0, 0, 3), Stabilization: minutes(0, 0, 2), Step: pick(0, 0, 2)},
			Down:               limit.Behavior{Cooldown: minutes(0, 0, 6), Stabilization: minutes(0, 0, 5), Step: pick(0, 0, 1)},
			CooldownCoversBoot: pick(0, 1) == 1,
			Tolerance:          float64(pick(0, 0, 1)) / 10,
			DiminishingReturns: limit.DiminishingReturns{After: pick(0, 2)},
		},
		RepeatAfter: minutes(0, 10),
		NotifyDiff:  autoscale.Diff{Threshold: 4, Period: 10 * time.Minute},
		NotifyOn:    autoscale.AllKinds &^ (autoscale.LeaderChanged | autoscale.Probed | autoscale.Decided),
		DryRun:      pick(0, 0, 0, 1) == 1,
	}
	if pick(0, 1) == 1 {
		cfg.Limits.Up.Rate = limit.Rate{Processes: 3, Period: 5 * time.Minute}
	}
	if pick(0, 1) == 1 {
		cfg.Limits.Forecast.Share = .8
		cfg.Limits.Forecast.Lead = 20 * time.Minute
	}
	if pick(0, 1, 1) == 0 {
		cfg.Limits.Budget = limit.Budget{Hours: 26}
	}
	if pick(0, 1) == 1 {
		cfg.Decider = autoscale.Consecutive{UpAfter: 2, DownAfter: 2, Increment: pick(1, 3)}
	}
	change := func(c *autoscale.Config) {
		own := *c
		*c = cfg
		c.Prober, c.Scaler, c.Logger, c.Observe, c.Notifiers = own.Prober, own.Scaler, own.Logger, own.Observe, own.Notifiers
	}
	one, other := &world{registry: new(registry), change: change}, &world{registry: new(registry), change: change}
	one.rig, other.rig = newRig(t, nil), newRig(t, nil)
	one.replace()
	other.replace()
	worlds := []*world{one, other}

	jump := pick(0, 0, 1) == 1 // days pass in some scripts, for the forecast and the budget
	for tick := range ticks {
		pause := 30 * time.Second
		if jump && random.IntN(10) == 0 {
			pause = time.Duration(1+random.IntN(30)) * time.Hour
		}
		time.Sleep(pause)
		other.replace()
		do := scriptStep(random)
		var orders [2][]int
		var decisions, errs, notified, status [2]string
		for i, w := range worlds {
			do(t, w)
			w.notified = nil
			d, err := w.a.Tick(t.Context(), time.Now())
			orders[i] = w.platform.takeOrders()
			decisions[i], errs[i] = fmt.Sprint(d), fmt.Sprint(err)
			for _, e := range w.notified {
				notified[i] += eventText(e)
			}
			status[i] = statusText(w.a.Status())
		}
		// The ring of the one that is replaced holds a LeaderChanged for each tick.
		full := other.a.Status().Events
		for i, w := range worlds {
			for _, e := range w.a.Status().Events {
				if e.Kind != autoscale.LeaderChanged && e.Time.After(full[0].Time) {
					status[i] += "event " + eventText(e)
				}
			}
		}
		for what, pair := range map[string][2]string{
			"orders":     {fmt.Sprint(orders[0]), fmt.Sprint(orders[1])},
			"decision":   decisions,
			"error":      errs,
			"notified":   notified,
			"the Status": status,
		} {
			if pair[0] != pair[1] {
				t.Errorf("script %d, tick %d: %s differs between a leader that lives on (-) and one that is replaced (+):\n%s", seed, tick, what, cmp.Diff(pair[0], pair[1]))
			}
		}
		if t.Failed() {
			return
		}
	}
}

// scriptStep returns what happens before a tick, for each world in turn.
func scriptStep(random *rand.Rand) func(*testing.T, *world) {
	n := random.IntN(120)
	a, b := random.IntN(9), random.IntN(3)
	latency := []time.Duration{slow, slow, fine, fast, fast}[random.IntN(5)]
	return func(t *testing.T, w *world) {
		p, g := w.platform, w.gauge
		p.mu.Lock()
		p.failing, p.lost, p.readErr, p.atOnce = nil, nil, nil, 0
		p.mu.Unlock()
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case n < 45:
			g.latency(latency)
		case n < 50:
			g.broken(errors.New("no answer"))
		case n < 54:
			g.fails(autoscale.ServerError)
		case n < 60:
			p.set(a)
		case n < 64:
			p.pending = b
		case n < 67:
			p.maint = b == 0
		case n < 71:
			p.failing = errors.New("the platform answered 503")
		case n < 75:
			p.lost = errors.New("the answer was lost")
		case n < 77:
			p.readErr = errors.New("the platform does not answer")
		case n < 79:
			p.limit = b * 3
		case n < 81:
			must(w.a.Pause(t.Context()))
		case n < 86:
			must(w.a.Resume(t.Context()))
		case n < 88:
			must(w.a.Override(t.Context(), a, time.Now().Add(5*time.Minute)))
		case n < 91: // somebody undoes what was ordered
			p.set(max(0, p.size-1))
		case n < 95:
			p.failing = &autoscale.BusyError{RetryAfter: time.Duration(b) * 2 * time.Minute, Err: errors.New("a release is under way")}
		case n < 98:
			p.failing = &autoscale.BusyError{Unsure: true, Err: errors.New("an answer was lost")}
		case n < 101:
			p.lost = &autoscale.BusyError{RetryAfter: time.Duration(b) * time.Minute, Unsure: true, Err: errors.New("an answer was lost")}
		case n < 103:
			p.readErr = &autoscale.BusyError{RetryAfter: time.Duration(a) * time.Minute, Err: errors.New("too many requests")}
		case n < 106:
			p.atOnce, p.short = 1+b, errors.New("no room")
		case n < 109:
			p.atOnce, p.short = 1+b, &autoscale.BusyError{RetryAfter: time.Duration(b) * time.Minute, Err: errors.New("too many requests")}
		case n < 113:
			p.deploys = b > 0
		case n < 115:
			p.rival = []string{"", "", "another autoscaler"}[b]
		}
	}
}

func eventText(e autoscale.Event) string {
	return fmt.Sprintf("%s %v %v %v (at %s)\n", e.Time.UTC().Format(time.RFC3339Nano), e.Kind, e.Phase, e, e.Since.UTC().Format(time.RFC3339Nano))
}

// statusText is the part of a Status that must not depend on which process leads. Counters belong to the
// process, and so do the Term and the changes of leader.
func statusText(s autoscale.Status) string {
	var b strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	fmt.Fprintf(&b, "%v\ncommand %q ticked %s known %v capacity %+v changed %s bounds %d to %d\n",
		s, s.Command, at(s.Ticked), s.Known, s.Capacity.Desired, at(s.Changed), s.Min, s.Max)
	l := s.Last
	fmt.Fprintf(&b, "rules %v adjustments %v limit %v until %s next %s %s boot %v err %v\n",
		l.Rules, l.Adjustments, l.Limit, at(l.Until), at(l.NextUp), at(l.NextDown), l.Boot, l.Err)
	fmt.Fprintf(&b, "failures %d %d samples %d\n", s.ProbeFailures, s.ScaleFailures, len(s.Samples))
	for _, e := range s.Conditions {
		b.WriteString("condition " + eventText(e))
	}
	return b.String()
}
