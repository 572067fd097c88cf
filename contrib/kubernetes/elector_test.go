package kubernetes_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

var quiet = slog.New(slog.DiscardHandler)

// electorRules are the least Role of an Elector whose objects have that name.
func electorRules(object string) []kubetest.Rule {
	return []kubetest.Rule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{object}, Verbs: []string{"get", "patch", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{object, object + "--1fhistory"}, Verbs: []string{"get", "patch"}},
	}
}

// leastClient returns a client of a fake server, with the least rights for the lease "shop/web".
func leastClient(t testing.TB, s *kubetest.Server, token string) *kubernetes.Client {
	t.Helper()
	s.AddAccount(token, kubetest.Account{Name: token, Namespace: kubetest.DefaultNamespace, Rules: electorRules("autoscale-shop.web")})
	return tokenClient(t, s, token)
}

// tokenClient returns a client with a token.
func tokenClient(t testing.TB, s *kubetest.Server, token string) *kubernetes.Client {
	t.Helper()
	config := &rest.Config{Host: s.URL, BearerToken: token}
	if ca := s.CA(); ca != nil {
		config.CAData = ca
	} else {
		transport := &http.Transport{DialContext: s.Dial}
		t.Cleanup(transport.CloseIdleConnections)
		config.Transport = transport
	}
	c := kubernetes.FromConfig(config, &kubernetes.Options{QPS: 1e6})
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func contest(t *testing.T, s *kubetest.Server) autoscaletest.Contest {
	return autoscaletest.Contest{
		New: func(holder string) autoscale.Elector {
			return leastClient(t, s, holder).Elector(&leader.Options{Name: "shop/web", Holder: holder, TTL: 2 * time.Second, Renew: 200 * time.Millisecond, Logger: quiet})
		},
		Cut: s.Cut,
	}
}

func TestElector(t *testing.T) {
	autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: 2200 * time.Millisecond, Bubble: true}, func(t *testing.T) autoscaletest.Contest {
		s := kubetest.NewPipeServer()
		t.Cleanup(s.Close)
		return contest(t, s)
	})
}
