package kubernetes_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// Of three pods that run the same Autoscaler one orders. When it is cut off another goes on, and
// nobody orders what was ordered already.
func TestServiceInACluster(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Boot: 10 * time.Second})
		var need atomic.Int64
		need.Store(2)
		rules := append(electorRules(shopWeb),
			kubetest.Rule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"web"}, Verbs: []string{"get"}},
			kubetest.Rule{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{"web"}, Verbs: []string{"get", "update", "patch"}},
			kubetest.Rule{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list"}},
			kubetest.Rule{APIGroups: []string{"keda.sh"}, Resources: []string{"scaledobjects"}, Verbs: []string{"list"}},
			kubetest.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		)
		for i := range 3 {
			name := fmt.Sprint("pod-", i)
			client := tokenClient(t, s, name)
			s.AddAccount(name, kubetest.Account{Name: name, Namespace: kubetest.DefaultNamespace, Rules: rules})
			a := autoscale.New(autoscale.Config{
				Name: "web", Logger: quiet, Max: autoscale.Fixed(10), Interval: 10 * time.Second,
				Scaler:  client.Scaler("deployment/web", nil),
				Elector: client.Elector(&leader.Options{App: "shop", Holder: name, Logger: quiet}),
				Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
					return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalValue, Value: float64(need.Load())}, nil
				}),
				Decider: exactly{},
			})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- a.Run(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}()
			time.Sleep(time.Second)
		}
		order := func(n int) (by string) {
			t.Helper()
			before := len(s.Scales())
			need.Store(int64(n))
			time.Sleep(10 * time.Minute)
			orders := s.Scales()[before:]
			if web.Replicas() != n || len(orders) != 1 {
				t.Fatalf("%d replicas by %+v; want %d by one order", web.Replicas(), orders, n)
			}
			return orders[0].Account
		}
		first := order(5)
		if again := order(3); again != first {
			t.Errorf("%s orders, and then %s", first, again)
		}
		s.Cut(first, true)
		if second := order(7); second == first {
			t.Errorf("%s, which is cut off, orders", first)
		}
		s.Cut(first, false)
		time.Sleep(time.Minute)
	})
}

// exactly recommends what is needed.
type exactly struct{}

func (exactly) Decide(o autoscale.Observation) autoscale.Decision {
	n := int(o.Samples[len(o.Samples)-1].Value)
	return autoscale.Decision{Act: n != o.Capacity.Desired, Size: n}
}
