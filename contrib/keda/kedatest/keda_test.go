package kedatest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda"
	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ref is what KEDA sends of a trigger.
func ref(metadata ...string) *pb.ScaledObjectRef {
	m := map[string]string{"scalerAddress": "web-autoscale.default.svc:9090"}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	return &pb.ScaledObjectRef{Name: "web", Namespace: "default", ScalerMetadata: m}
}

// value asks for the published size as KEDA does, and reads the answer as KEDA does.
func value(t testing.TB, c pb.ExternalScalerClient, ref *pb.ScaledObjectRef) (float64, error) {
	t.Helper()
	out, err := c.GetMetrics(t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: keda.MetricName})
	if err != nil {
		return 0, err
	}
	if len(out.MetricValues) != 1 || out.MetricValues[0].MetricName != keda.MetricName {
		t.Fatalf("the HPA adds up what it gets: %v", out)
	}
	v := out.MetricValues[0]
	if float64(v.MetricValue) != v.MetricValueFloat {
		t.Errorf("the int and the float differ: %v", v)
	}
	if v.MetricValueFloat > 0 {
		return v.MetricValueFloat, nil
	}
	return float64(v.MetricValue), nil
}

func TestAnswers(t *testing.T) {
	s, cfg := newService(3, nil)
	a := autoscale.New(cfg)
	c, _ := serve(t, a, nil, nil, nil)
	spec, err := c.GetMetricSpec(t.Context(), ref())
	if err != nil || len(spec.MetricSpecs) != 1 {
		t.Fatalf("%v, %v", spec, err)
	}
	if m := spec.MetricSpecs[0]; m.MetricName != keda.MetricName || m.TargetSize != 1 || m.TargetSizeFloat != 1 {
		t.Errorf("the metric is %v", m)
	}
	at := time.Now().Add(-time.Minute)
	for i, want := range []int64{3, 20, 11, 10, 1, 0, 4} {
		s.load.Store(want)
		tick(t, a, at.Add(time.Duration(i)*time.Second))
		s.size.Store(want)
		got, err := value(t, c, ref())
		if err != nil || got != float64(want) {
			t.Errorf("size %d: %v, %v", want, got, err)
		}
		active, err := c.IsActive(t.Context(), ref())
		if err != nil || active.Result != (want > 0) {
			t.Errorf("size %d: active %v, %v", want, active, err)
		}
	}
	if _, err := c.GetMetrics(t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: ref(), MetricName: "queue"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another metric: %v", err)
	}
	stream, err := c.StreamMetricSpec(t.Context(), ref())
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("StreamMetricSpec: %v", err)
	}
}

// A size that is not known is an error, and never 0.
func TestUnknown(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*service, *autoscale.Autoscaler)
		want string
	}{
		{"no tick", func(*service, *autoscale.Autoscaler) {}, "no tick yet"},
		{"stale", func(_ *service, a *autoscale.Autoscaler) { tick(t, a, time.Now().Add(-time.Hour)) }, "the last tick of web was 1h0m0s ago"},
		{"no size", func(s *service, a *autoscale.Autoscaler) { s.broken.Store(true); tick(t, a, time.Now()) }, "the platform could not be asked"},
		{"no size any more", func(s *service, a *autoscale.Autoscaler) {
			tick(t, a, time.Now().Add(-time.Second))
			s.broken.Store(true)
			tick(t, a, time.Now())
		}, "the platform could not be asked"},
	} {
		s, cfg := newService(3, nil)
		a := autoscale.New(cfg)
		c, _ := serve(t, a, nil, nil, nil)
		tt.set(s, a)
		_, err := value(t, c, ref())
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: GetMetrics: %v", tt.name, err)
		}
		if out, err := c.IsActive(t.Context(), ref()); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: IsActive: %v, %v", tt.name, out, err)
		}
		if _, err := c.GetMetricSpec(t.Context(), ref()); err != nil {
			t.Errorf("%s: KEDA makes no HPA: %v", tt.name, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	_, web := newService(3, nil)
	_, worker := newService(5, func(c *autoscale.Config) { c.Name = "worker" })
	both := autoscale.NewGroup(web, worker)
	one := autoscale.New(web)
	for _, a := range append(both.Members(), one) {
		tick(t, a, time.Now())
	}
	for _, tt := range []struct {
		source   keda.Source
		metadata []string
		want     float64
		code     codes.Code
		text     string
	}{
		{one, nil, 3, codes.OK, ""},
		{one, []string{"name", "web", "later", "key of KEDA"}, 3, codes.OK, ""},
		{one, []string{"enableTLS", "true", "unsafeSsl", "false"}, 3, codes.OK, ""},
		{one, []string{"process", "worker"}, 0, codes.InvalidArgument, `has "process" and no "name"`},
		{one, []string{"name", "worker"}, 0, codes.NotFound, `no autoscaler of the process type "worker": name one of "web"`},
		{both, []string{"name", "worker"}, 5, codes.OK, ""},
		{both, []string{"name", "web"}, 3, codes.OK, ""},
		{both, []string{"name", "Web"}, 0, codes.NotFound, `"web", "worker"`},
		{both, []string{"name", strings.Repeat("x", 4000)}, 0, codes.NotFound, `"web", "worker"`},
		{both, []string{"name", ""}, 0, codes.InvalidArgument, `is empty: name one of "web", "worker"`},
		{both, nil, 0, codes.InvalidArgument, `there are 2 process types: name one of "web", "worker"`},
		{nil, nil, 0, codes.FailedPrecondition, "the source is nil"},
	} {
		c, _ := serve(t, tt.source, &keda.Options{}, nil, nil)
		got, err := value(t, c, ref(tt.metadata...))
		if got != tt.want || status.Code(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%.80q: %v, %v", tt.metadata, got, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%.80q: the text has %d bytes", tt.metadata, len(err.Error()))
		}
		if tt.code != codes.OK {
			if _, err := c.GetMetricSpec(t.Context(), ref(tt.metadata...)); status.Code(err) != tt.code {
				t.Errorf("%.80q: GetMetricSpec: %v", tt.metadata, err)
			}
			stream, err := c.StreamIsActive(t.Context(), ref(tt.metadata...))
			if err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != tt.code {
				t.Errorf("%.80q: StreamIsActive: %v", tt.metadata, err)
			}
		}
	}
}

// KEDA asks any pod. One that does not lead answers what the leader saved.
func TestFollower(t *testing.T) {
	shared := &board{}
	s, cfg := newService(3, func(c *autoscale.Config) { c.Elector = &seat{shared, true} })
	leader := autoscale.New(cfg)
	_, cfg = newService(50, func(c *autoscale.Config) { c.Elector = &seat{shared, false} })
	follower := autoscale.New(cfg)
	c1, _ := serve(t, leader, nil, nil, nil)
	c2, _ := serve(t, follower, nil, nil, nil)
	at := time.Now().Add(-time.Minute)
	for i, want := range []int64{3, 11, 0, 7} {
		s.load.Store(want)
		now := at.Add(time.Duration(i) * 10 * time.Second)
		tick(t, leader, now)
		tick(t, follower, now)
		first, err1 := value(t, c1, ref())
		second, err2 := value(t, c2, ref())
		if first != float64(want) || second != first || err1 != nil || err2 != nil {
			t.Errorf("size %d: the leader says %v, %v; the follower %v, %v", want, first, err1, second, err2)
		}
		s.size.Store(want)
	}
	s.broken.Store(true)
	tick(t, leader, time.Now())
	for _, c := range []pb.ExternalScalerClient{c1, c2} {
		if _, err := value(t, c, ref()); status.Code(err) != codes.Unavailable {
			t.Errorf("the leader cannot read the size: %v", err)
		}
	}

	_, cfg = newService(3, func(c *autoscale.Config) { c.Elector = struct{ autoscale.Elector }{&seat{&board{}, false}} })
	alone := autoscale.New(cfg)
	tick(t, alone, time.Now())
	c3, _ := serve(t, alone, nil, nil, nil)
	if _, err := value(t, c3, ref()); status.Code(err) != codes.Unavailable {
		t.Errorf("a follower of a leader that never saved: %v", err)
	}
}

func TestStream(t *testing.T) {
	s, cfg := newService(0, nil)
	a := autoscale.New(cfg)
	c, server := serve(t, a, &keda.Options{Streams: 1}, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := c.StreamIsActive(ctx, ref())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute)
	for i, tt := range []struct {
		size int64
		want bool
	}{{0, false}, {2, true}, {0, false}} {
		s.load.Store(tt.size)
		tick(t, a, at.Add(time.Duration(i)*10*time.Second))
		s.size.Store(tt.size)
		if got, err := stream.Recv(); err != nil || got.Result != tt.want {
			t.Fatalf("size %d: %v, %v", tt.size, got, err)
		}
	}
	second, err := c.StreamIsActive(t.Context(), ref())
	if err == nil {
		_, err = second.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a second stream of one: %v", err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the context has ended: %v", err)
	}
	// The place is free again, and Close ends the stream.
	for {
		stream, err = c.StreamIsActive(t.Context(), ref())
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.ResourceExhausted {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after Close: %v", err)
	}
}

// A Source of the host's own that panics does not end the program.
func TestPanic(t *testing.T) {
	c, _ := serve(t, broken{}, nil, nil, nil)
	if _, err := value(t, c, ref()); status.Code(err) != codes.Internal {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) Members() []*autoscale.Autoscaler { panic("oh") }
