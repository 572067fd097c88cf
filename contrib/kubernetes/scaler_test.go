package kubernetes_test

import (
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// clientOf returns a client of s that presents token.
func clientOf(s *kubetest.Server, token string) *kubernetes.Client {
	return kubernetes.FromConfig(&rest.Config{
		Host: s.URL, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA()},
	}, nil)
}

// TestScalerKeepsItsPromises runs the suite for every kind that has a short name, and for
// one that is looked up.
func TestScalerKeepsItsPromises(t *testing.T) {
	for target, kind := range map[string]string{
		"deployment/web": "Deployment", "statefulset/web": "StatefulSet", "replicaset/web": "ReplicaSet",
		"rollout/web": "Rollout", "deployments.apps/web": "Deployment",
	} {
		t.Run(target, func(t *testing.T) {
			s := kubetest.NewServer()
			defer s.Close()
			s.AddWorkload(kubetest.WorkloadConfig{Kind: kind, Name: "web", Replicas: 1, Boot: 10 * time.Millisecond})
			autoscaletest.Scaler(t, clientOf(s, kubetest.Token).Scaler(target, nil), autoscaletest.ScalerOptions{
				Fail: func(fail bool) {
					s.ClearFaults()
					if fail {
						s.Inject(kubetest.Fault{Reset: true, Times: -1})
					}
				},
			})
		})
	}
}
