package kedatest_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda"
	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// service is a Prober, a Scaler, and a rule that recommends what it is told.
type service struct {
	load   atomic.Int64
	size   atomic.Int64
	broken atomic.Bool
}

func (s *service) Probe(context.Context) (autoscale.Sample, error) {
	return autoscale.Sample{Signals: autoscale.SignalValue, Value: float64(s.load.Load())}, nil
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	if s.broken.Load() {
		return autoscale.Capacity{}, errors.New("the platform does not answer")
	}
	return autoscale.Capacity{Desired: int(s.size.Load())}, nil
}

func (s *service) Scale(context.Context, int) error { return errors.New("it only recommends") }

func (s *service) Decide(o autoscale.Observation) autoscale.Decision {
	return autoscale.Decision{Act: true, Size: int(s.load.Load()), Reason: autoscale.Reason{Code: "told"}}
}

// newService returns an Autoscaler that recommends what is set in the service.
func newService(size int64, change func(*autoscale.Config)) (*service, autoscale.Config) {
	s := &service{}
	s.load.Store(size)
	s.size.Store(size)
	cfg := autoscale.Config{
		Name: "web", Prober: s, Scaler: s, Decider: s, Logger: slog.New(slog.DiscardHandler), RecommendOnly: true,
		Min: autoscale.Fixed(0), Max: autoscale.Fixed(50),
	}
	if change != nil {
		change(&cfg)
	}
	return s, cfg
}

// tick lets a tick pass, in which the Autoscaler sees what the service says.
func tick(t testing.TB, a *autoscale.Autoscaler, at time.Time) {
	t.Helper()
	if _, err := a.Tick(t.Context(), at); err != nil && !errors.Is(err, autoscale.ErrNotLeader) {
		t.Log(err)
	}
}

// serve serves source on a port of its own, and returns KEDA's client of it.
func serve(t testing.TB, source keda.Source, o *keda.Options, server, client credentials.TransportCredentials) (pb.ExternalScalerClient, *keda.Server) {
	t.Helper()
	if server == nil {
		server, client = insecure.NewCredentials(), insecure.NewCredentials()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, s := grpc.NewServer(grpc.Creds(server)), keda.New(source, o)
	s.Register(g)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.Serve(listener) })
	t.Cleanup(func() { _ = s.Close(); g.GracefulStop(); serving.Wait() })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(client))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewExternalScalerClient(conn), s
}

// board is what the processes share.
type board struct {
	mu     sync.Mutex
	record autoscale.Record
	saved  time.Time
}

// seat is an Elector and a Store: the board in one process.
type seat struct {
	*board
	leads bool
}

func (s *seat) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *seat) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "pod-1", Number: 7}, s.leads
}

func (s *seat) Record() (autoscale.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	r.Read, r.Age = time.Now(), time.Since(s.saved)
	return r, true
}

func (s *seat) Save(_ context.Context, term int64, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.Holder, s.record.Term, s.record.State, s.saved = "pod-1", term, state, time.Now()
	return nil
}

func (s *seat) Command(_ context.Context, command []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.Command = command
	return nil
}
