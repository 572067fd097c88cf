package kubernetes_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// seat is an Elector that leads when the test says so.
type seat struct{ leads, panics atomic.Bool }

func (s *seat) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *seat) Current() (autoscale.Term, bool) {
	if s.panics.Load() {
		panic("oh")
	}
	return autoscale.Term{Number: 1}, s.leads.Load()
}

func TestProtectLeader(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 3})
		pod := w.Pods()[2] // the newest one, which would be the first to go
		t.Setenv("POD_NAME", pod)
		s.Edit("Pod", "", pod, func(o map[string]any) { // of a process before
			o["metadata"].(map[string]any)["annotations"] = map[string]any{"controller.kubernetes.io/pod-deletion-cost": "100"}
		})
		var inner seat
		e := c.ProtectLeader(&inner, nil)
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		defer running.Wait()
		defer cancel()
		expect := func(leads bool, cost any) {
			t.Helper()
			inner.leads.Store(leads)
			time.Sleep(2 * time.Second)
			annotations, _ := s.Object("Pod", "", pod)["metadata"].(map[string]any)["annotations"].(map[string]any)
			if got := annotations["controller.kubernetes.io/pod-deletion-cost"]; got != cost {
				t.Errorf("leads %v: the cost is %v", leads, got)
			}
		}
		expect(false, nil)
		expect(true, "100")
		time.Sleep(time.Hour)
		w.SetReplicas(1)
		time.Sleep(time.Second)
		if got := w.Pods(); len(got) != 1 || got[0] != pod {
			t.Errorf("left is %v, not the leader's %s", got, pod)
		}
		patches := 0
		for _, r := range s.Requests() {
			if r.Method == "PATCH" {
				patches++
			}
		}
		if patches != 2 {
			t.Errorf("%d patches", patches)
		}
		denied := kubetest.Error(403, "Forbidden", `pods "x" is forbidden: User "system:serviceaccount:default:web" cannot patch resource "pods"`)
		denied.Times = 2
		s.Inject(denied)
		expect(false, "100") // it did not work
		var refusal *kubernetes.Error
		if err := e.Err(); !errors.As(err, &refusal) || !strings.Contains(refusal.Role(), "verbs: [\"patch\"]") {
			t.Error(err)
		}
		before := len(s.Requests())
		time.Sleep(time.Minute)
		if n := len(s.Requests()) - before; n > 2 {
			t.Errorf("%d requests in a minute", n)
		}
		expect(false, nil)
		if err := e.Err(); err != nil {
			t.Error(err)
		}
		inner.panics.Store(true)
		time.Sleep(2 * time.Second)
		if err := e.Err(); err == nil {
			t.Error("the panic was not kept")
		}
	})
	// What the Elector can do besides is found through the wrapper.
	c := kubernetes.FromConfig(nil, nil)
	if err := c.ProtectLeader(nil, &kubernetes.ProtectOptions{Pod: "No"}).Validate(); err == nil || !strings.Contains(err.Error(), "nil") || !strings.Contains(err.Error(), "POD_NAME") {
		t.Error(err)
	}
	faulty := leader.New(nil, nil)
	for _, e := range []autoscale.Elector{faulty, struct{ autoscale.Elector }{faulty}} {
		if err := c.ProtectLeader(e, nil).Validate(); err == nil || !strings.Contains(err.Error(), "the Lease is nil") {
			t.Errorf("a fault of the Elector is not reported: %T: %v", e, err)
		}
	}
	var u interface{ Unwrap() autoscale.Elector } = c.ProtectLeader(&seat{}, nil)
	if _, ok := u.Unwrap().(*seat); !ok {
		t.Error(u.Unwrap())
	}
}
