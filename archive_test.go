package autoscale_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
)

// shelf is a seat that also keeps the history.
type shelf struct {
	*seat
	*pages
}

// pages are what the shelves of one process type share.
type pages struct {
	data  []byte
	saves int
	reads int
	fails error
}

func (s shelf) SaveHistory(_ context.Context, term int64, data []byte) error {
	s.saves++
	switch {
	case s.fails != nil:
		return s.fails
	case len(data) > autoscale.MaxHistory:
		return fmt.Errorf("%d bytes", len(data))
	case term != s.seat.term:
		return autoscale.ErrNotLeader
	}
	s.data = slices.Clone(data)
	return nil
}

func (s shelf) History(context.Context) ([]byte, error) {
	s.reads++
	return s.data, s.fails
}

// kept returns two rigs whose seats keep the history.
func kept(t *testing.T) (a, b *rig, sa, sb *seat, p *pages) {
	p = new(pages)
	a, b, sa, sb, _ = two(t, func(c *autoscale.Config) {
		c.Elector = shelf{c.Elector.(*seat), p}
	})
	return a, b, sa, sb, p
}

func mustHistory(t *testing.T, r *rig) *history.Log {
	t.Helper()
	log, err := r.a.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// The history goes on from leader to leader. Followers read it from the Store.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, p := kept(t)
		if n := len(mustHistory(t, b).Points()); n != 0 {
			t.Errorf("before the first tick there are %d points", n)
		}
		a.gauge.latency(slow)
		sa.lead()
		for range 11 { // five minutes
			a.pass()
		}
		if p.reads != 2 || p.saves < 5 || p.saves > 6 {
			t.Errorf("in five minutes the history was read %d times and saved %d times, want 2 (once by the test) and 5 or 6", p.reads, p.saves)
		}
		own, theirs := mustHistory(t, a).Points(), mustHistory(t, b).Points()
		if len(own) != 11 || len(theirs) < 9 {
			t.Errorf("the leader knows %d points and the follower %d, want 11 and 9 or more", len(own), len(theirs))
		}
		last := own[len(own)-1]
		if last.Delay != "latency" || last.Wait != slow.Seconds() || last.Size != a.platform.size || !last.Time.Equal(a.now.Truncate(time.Millisecond)) {
			t.Errorf("the last point is %+v", last)
		}
		ordered := slices.ContainsFunc(own, func(p history.Point) bool { return p.Flags.Has(history.Ordered) && p.Recommends })
		if !ordered {
			t.Errorf("no point says that a size was ordered: %+v", own)
		}

		sa.term = 0
		sb.lead()
		b.gauge.broken(errors.New("nothing"))
		b.pass()
		b.pass()
		points := mustHistory(t, b).Points()
		if n := len(points); n < 11 {
			t.Errorf("the next leader knows %d points", n)
		}
		if last := points[len(points)-1]; !last.Flags.Has(history.ProbeFailed) || last.Recommends || last.Signal != "" {
			t.Errorf("after a probe that failed the last point is %+v", last)
		}
		if spans := mustHistory(t, b).Spans(); len(spans) == 0 || spans[len(spans)-1].Ticks < 11 {
			t.Errorf("the half-hours are %+v", spans)
		}
	})
}

// The Store has the history of up to a minute ago, and the state of the last tick: a
// follower knows both, after any tick.
func TestFollowersHistoryIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, _, _ := kept(t)
		a.gauge.latency(slow)
		sa.lead()
		for range 4 {
			a.pass()
		}
		for i := range 5 {
			a.pass()
			own, theirs := mustHistory(t, a).Points(), mustHistory(t, b).Points()
			last, end := own[len(own)-1], theirs[len(theirs)-1]
			if end.Time.Sub(last.Time).Abs() > time.Second || end.Size != last.Size || end.Wait != last.Wait || end.Recommended != last.Recommended {
				t.Errorf("tick %d: the follower's last point is %+v, want %+v", i, end, last)
			}
			if n := len(theirs); n > len(own) || end.Time.Sub(theirs[n-2].Time) < 20*time.Second {
				t.Errorf("tick %d: the follower has %d points of %d, the last two at %v and %v", i, n, len(own), theirs[n-2].Time, end.Time)
			}
		}
	})
}

// A history that cannot be read is not lost while the Store fails, and is replaced if it
// is of another format. Neither keeps the leader from its work.
func TestHistoryFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, _, p := kept(t)
		a.gauge.latency(slow)
		sa.lead()
		var log history.Log
		log.Add(history.Point{Time: time.Now().Add(-time.Hour), Size: 42})
		old, err := log.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		p.data, p.fails = old, errors.New("disk full")
		for range 5 {
			if _, err := a.pass(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(p.data, old) {
			t.Error("the history was replaced although it could not be read")
		}
		if _, err := b.a.History(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("History of a follower = %v", err)
		}
		p.fails = nil
		for range 3 {
			a.pass()
		}
		if points := mustHistory(t, b).Points(); len(points) < 6 || points[0].Size != 42 {
			t.Errorf("after the Store came back the follower knows %+v", points)
		}
		p.data = []byte{99}
		if _, err := b.a.History(t.Context()); err == nil || !strings.Contains(err.Error(), "format 99") {
			t.Errorf("History of another format = %v", err)
		}
		for range 3 {
			a.pass()
		}
		if n := len(mustHistory(t, b).Points()); n < 9 {
			t.Errorf("after a history of another format the follower knows %d points", n)
		}
	})
}

// Run saves the history when it ends.
func TestHistoryAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, _, _ := kept(t)
		sa.lead()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		if err := a.a.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if own, theirs := len(mustHistory(t, a).Points()), len(mustHistory(t, b).Points()); own != theirs || own < 4 {
			t.Errorf("after Run the store has %d of %d points", theirs, own)
		}
	})
}

// Without a HistoryStore each process knows what it saw, over all its terms.
func TestHistoryWithoutAStore(t *testing.T) {
	r := newRig(t, nil)
	r.ticks(7)
	if n := len(mustHistory(t, r).Points()); n != 7 {
		t.Errorf("there are %d points, want 7", n)
	}
}
