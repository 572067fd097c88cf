package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

var hostileTicks = flag.Int("hostile-ticks", 3_000, "ticks of TestHostilePartsGrowNothing")

const (
	// maxStatusJSON is what the documentation of Status says.
	maxStatusJSON = 1 << 20
	// maxGrowth is by how much the heap may differ between two collections.
	maxGrowth = 4 << 20
)

// hostile is a Prober, Decider, Scaler, Elector, Store and Notifier whose texts are long
// and never the same. In JSON each of their bytes becomes six.
type hostile struct {
	n    int
	size int
	base string
}

func newHostile(length int) *hostile { return &hostile{base: strings.Repeat("<", length), size: 1} }

// text returns a new string each time, with its own memory.
func (h *hostile) text() string {
	h.n++
	return fmt.Sprintf("%d%s", h.n, h.base)
}

func (h *hostile) Probe(context.Context) (autoscale.Sample, error) {
	switch h.n++; h.n % 7 {
	case 0, 1:
		return autoscale.Sample{}, errors.New(h.text())
	case 2:
		panic(h.text())
	case 3:
		return autoscale.Sample{}, fmt.Errorf("%w: %s", autoscale.ErrWarmingUp, h.text())
	case 4:
		return autoscale.Sample{Signals: autoscale.SignalLatency, Failure: autoscale.ServerError, Detail: h.text()}, nil
	}
	return autoscale.Sample{
		Signals: autoscale.SignalLatency | autoscale.SignalArrivals, Latency: slow, Arrivals: 1, Detail: h.text(),
		Breakdown: &autoscale.Breakdown{Pieces: make([]autoscale.Piece, 50)},
	}, nil
}

func (h *hostile) Capacity(context.Context) (autoscale.Capacity, error) {
	switch h.n++; h.n % 11 {
	case 0:
		return autoscale.Capacity{}, errors.New(h.text())
	case 1:
		panic(errors.New(h.text()))
	}
	return autoscale.Capacity{Desired: 1 + h.n%90}, nil
}

func (h *hostile) Scale(_ context.Context, size int) error {
	switch h.n++; h.n % 5 {
	case 0:
		return errors.New(h.text())
	case 1:
		return &autoscale.LimitError{Size: size, Limit: size - 1, Err: errors.New(h.text())}
	case 2:
		panic(h.text())
	}
	return nil
}

func (h *hostile) Name() string { return "hostile" }
func (h *hostile) Decide(o autoscale.Observation) autoscale.Decision {
	return autoscale.Decision{Act: true, Size: 1 + h.n%100, Reason: autoscale.Reason{Code: autoscale.ReasonCode(h.text()), Detail: h.reason()}}
}

func (h *hostile) reason() fmt.Stringer {
	if h.n%2 == 0 {
		return autoscale.ReasonText(h.text())
	}
	return later{h.base, h.n}
}

// later makes a long text when it is read.
type later struct {
	base string
	n    int
}

func (l later) String() string { return fmt.Sprint(l.n, l.base) }

func (h *hostile) Each(o autoscale.Observation, yield func(string, autoscale.Decision)) {
	for range 40 {
		yield(h.text(), h.Decide(o))
	}
}

func (h *hostile) Notify(context.Context, autoscale.Event) error {
	if h.n++; h.n%3 == 0 {
		panic(h.text())
	}
	return errors.New(h.text())
}

func (h *hostile) Run(ctx context.Context) error { <-ctx.Done(); return errors.New(h.text()) }
func (h *hostile) Current() (autoscale.Term, bool) {
	switch h.n++; h.n % 13 {
	case 0:
		panic(h.text())
	case 1:
		return autoscale.Term{}, false
	}
	return autoscale.Term{Number: int64(1 + h.n/1000), Holder: h.text()}, true
}

func (h *hostile) Record() (autoscale.Record, bool) {
	if h.n++; h.n%17 == 0 {
		panic(h.text())
	}
	return autoscale.Record{Holder: h.text(), Term: int64(1 + h.n/1000), State: []byte(h.text()), Command: []byte(h.text()), Read: time.Now()}, true
}

func (h *hostile) Save(context.Context, int64, []byte) error {
	switch h.n++; h.n % 6 {
	case 0:
		return errors.New(h.text())
	case 1:
		panic(h.text())
	}
	return nil
}
func (h *hostile) Command(context.Context, []byte) error { return errors.New(h.text()) }
func (h *hostile) Resign(time.Duration)                  { panic(h.text()) }

func (h *hostile) SaveHistory(context.Context, int64, []byte) error { return errors.New(h.text()) }
func (h *hostile) History(context.Context) ([]byte, error)          { return []byte(h.text()), nil }

// Neither the heap nor the Status grows with what the parts of a host say, however often
// and at whatever length they say it. A million ticks with a Store:
//
//	go test -run HostileParts/texts_of_1000_bytes,_elected_true -v -timeout 2h -args -hostile-ticks 1000000
//
// In November 2026 the heap had 711 KiB after a tenth of them and at most 749 KiB later, and
// the Status at most 466 KiB as JSON. On a busy machine that took 48 minutes. A tick costs
// 0.7 ms of a processor on one that is not: it saves a state that is full of such texts once
// or twice.
func TestHostilePartsGrowNothing(t *testing.T) {
	for _, length := range []int{1000, 100_000} {
		for _, elected := range []bool{false, true} {
			t.Run(fmt.Sprintf("texts of %d bytes, elected %v", length, elected), func(t *testing.T) {
				h := newHostile(length)
				cfg := autoscale.Config{
					Prober: h, Decider: h, Scaler: h, Notifiers: []autoscale.Notifier{h}, NotifyOn: autoscale.AllKinds, Logger: silent,
					Max: autoscale.Fixed(100), Observe: func(e autoscale.Event) { _ = e.String() },
				}
				if elected {
					cfg.Elector = h
				}
				a := autoscale.New(cfg)
				ticks := *hostileTicks * 2000 / max(length, 2000) // the longest texts for a part of the time
				var before, most uint64
				largest := 0
				for i := range ticks {
					a.Tick(t.Context(), start.Add(time.Duration(i)*30*time.Second))
					if i%max(ticks/20, 1) != 0 || i < ticks/10 {
						continue
					}
					text, err := json.Marshal(a.Status())
					if err != nil {
						t.Fatal(err)
					}
					largest = max(largest, len(text))
					now := heapInUse()
					if before == 0 {
						before = now
					}
					most = max(most, now)
				}
				t.Logf("%d ticks: the heap had %d KiB after a tenth of them, and at most %d KiB; the Status had at most %d KiB as JSON", ticks, before>>10, most>>10, largest>>10)
				if most > before+maxGrowth {
					t.Errorf("the heap grew from %d to %d bytes", before, most)
				}
				if largest > maxStatusJSON {
					t.Errorf("the Status had %d bytes as JSON, more than %d", largest, maxStatusJSON)
				}
				runtime.KeepAlive(a)
			})
		}
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
