package status_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

const token = "0123456789abcdef-token"

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// service is a Scaler and a Prober in memory. Its load has the period of a day.
type service struct {
	mu   sync.Mutex
	size int
	left time.Duration // until the load is highest
	err  error
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return autoscale.Capacity{Desired: s.size, Pending: min(1, s.size/4), PendingKnown: true}, s.err
}

func (s *service) Scale(_ context.Context, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	return nil
}

func (s *service) Probe(context.Context) (autoscale.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hours := s.left.Hours()
	load := 20 + 15*math.Cos(hours/24*2*math.Pi) + 4*math.Sin(hours*40)
	return autoscale.Sample{
		Signals: autoscale.SignalBusy | autoscale.SignalLatency, Busy: load, Latency: time.Duration(load * float64(20*time.Millisecond)),
	}, nil
}

func (s *service) Shares(context.Context) ([]autoscale.Share, error) {
	return []autoscale.Share{{Process: "web.2<i>", Arrivals: 12.5, Busy: 3, Latency: 240 * time.Millisecond, Age: 4 * time.Second}}, nil
}

// rule takes one process for every four requests in flight.
type rule struct{}

func (rule) Samples() int { return 1 }
func (rule) Name() string { return "four_each" }
func (rule) Decide(o autoscale.Observation) autoscale.Decision {
	n := int(math.Ceil(o.Samples[len(o.Samples)-1].Busy / 4))
	return autoscale.Decision{Act: n != o.Capacity.Desired, Size: n, Reason: autoscale.Reason{Code: "target_tracking", Detail: autoscale.ReasonText("<b>four</b> requests in flight for each process")}}
}

func config(s *service) autoscale.Config {
	return autoscale.Config{Name: "web", Prober: s, Scaler: s, Decider: rule{}, Logger: quiet, Max: autoscale.Fixed(8), Interval: 10 * time.Second}
}

// week lets a week of ticks pass, the last three hours of it every ten seconds.
func week(t testing.TB, a *autoscale.Autoscaler, s *service) {
	t.Helper()
	end := time.Now()
	for at := end.Add(-7 * 24 * time.Hour); !at.After(end); {
		s.mu.Lock()
		s.left = end.Sub(at)
		s.mu.Unlock()
		if _, err := a.Tick(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if end.Sub(at) > 3*time.Hour {
			at = at.Add(10 * time.Minute)
		} else {
			at = at.Add(10 * time.Second)
		}
	}
}

// get asks page for a path, with the token, and returns the answer.
func get(t testing.TB, page http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

func running(t testing.TB) (*autoscale.Autoscaler, *service, *status.Page) {
	s := &service{size: 2}
	a := autoscale.New(config(s))
	week(t, a, s)
	return a, s, status.Handler(a, &status.Options{Token: token, Control: true, Logger: quiet})
}

// board is an Elector and a Store that several processes share.
type board struct {
	mu     sync.Mutex
	record autoscale.Record
	past   []byte
	saved  time.Time
	silent bool // it was not read yet
}

// seat is the board in one process.
type seat struct {
	*board
	name  string
	leads bool
}

func (s *seat) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *seat) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: s.name, Number: 7}, s.leads
}

func (s *seat) Record() (autoscale.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	r.Read, r.Age = time.Now(), time.Since(s.saved)
	return r, !s.silent
}

func (s *seat) Save(_ context.Context, _ int64, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.Holder, s.record.Term, s.record.State, s.saved = s.name, 7, state, time.Now()
	return nil
}

func (s *seat) Command(_ context.Context, command []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.Command = command
	return nil
}

func (s *seat) SaveHistory(_ context.Context, _ int64, past []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = past
	return nil
}

func (s *seat) History(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(s.past) == "broken" {
		return nil, errors.New("the table is away")
	}
	return s.past, nil
}
