package kubernetes_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/internal/leasesuite"
	"github.com/autoscalebot/autoscale/leader"
)

// One name has one lease, one state, one command and one history, and no two share an object.
func TestOneNameOneLease(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		client := tokenClient(t, s, kubetest.Token)
		leasesuite.OneName(t, func(app string) *kubernetes.Elector {
			return client.Elector(&leader.Options{App: app, Logger: quiet})
		}, nil)
	})
}
