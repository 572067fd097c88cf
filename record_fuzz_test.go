package autoscale_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// stranger is an Elector and a Store that holds what somebody else wrote.
type stranger struct {
	record autoscale.Record
	leads  bool
	saved  int // bytes, the most
}

func (s *stranger) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (s *stranger) Current() (autoscale.Term, bool) {
	return autoscale.Term{Number: 7, Holder: "us", Until: time.Now().Add(time.Hour)}, s.leads
}
func (s *stranger) Record() (autoscale.Record, bool)      { return s.record, true }
func (s *stranger) Command(context.Context, []byte) error { return nil }
func (s *stranger) Save(_ context.Context, _ int64, state []byte) error {
	s.saved = max(s.saved, len(state))
	return nil
}

// FuzzRecord starts a leader from any state and command, of any age by the store's clock. It
// orders nothing out of bounds, saves what fits, and its Status is bounded. So is a
// follower's.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(nil), []byte(nil), "", int64(0), int64(1))
	f.Add([]byte(`{"version":1,"saved":"2026-01-01T00:00:00Z","capacity":{"Desired":-7},"min":-1,"max":99999999999}`), []byte(`{"kind":"override","size":-5,"given":"2026-01-01T00:00:00Z"}`), "them", int64(-1<<63), int64(-1))
	f.Add([]byte(`{"version":1,"ticked":"9999-12-31T23:59:59Z","changed":"0001-01-02T00:00:00Z","limits":{},"samples":[{"time":"2026-01-01T00:00:00Z","latency":1e308}]}`), []byte(`{"kind":"pause","until":"9999-12-31T23:59:59Z","given":"9999-12-31T23:59:59Z"}`), "\x1b[31m", int64(1<<63-1), int64(1<<63-1))
	f.Add([]byte(`[]`), []byte(`{"kind":"resume"`), "", int64(5e9), int64(7))
	f.Fuzz(func(t *testing.T, state, command []byte, holder string, age, term int64) {
		for _, leads := range []bool{true, false} {
			s := &stranger{leads: leads, record: autoscale.Record{Holder: holder, Term: term, State: state, Age: time.Duration(age), Command: command, Read: time.Now()}}
			size := 3
			a := autoscale.New(autoscale.Config{
				Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
					return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: slow}, nil
				}),
				Scaler:  bounded{t, &size},
				Elector: s, Min: autoscale.Fixed(2), Max: autoscale.Fixed(5), Logger: silent,
			})
			for i := range 3 {
				a.Tick(t.Context(), time.Now().Add(time.Duration(i)*30*time.Second))
			}
			if s.saved > autoscale.MaxState {
				t.Errorf("%d bytes were saved", s.saved)
			}
			text, err := json.Marshal(a.Status())
			if err != nil || len(text) > maxStatusJSON {
				t.Errorf("the Status has %d bytes, %v", len(text), err)
			}
		}
	})
}

// bounded is a Scaler that takes sizes within 2 and 5.
type bounded struct {
	t    *testing.T
	size *int
}

func (b bounded) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: *b.size}, nil
}

func (b bounded) Scale(_ context.Context, size int) error {
	if size < 2 || size > 5 {
		b.t.Errorf("%d was ordered", size)
	}
	*b.size = size
	return nil
}
