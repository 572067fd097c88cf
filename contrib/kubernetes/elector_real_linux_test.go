package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"github.com/autoscalebot/autoscale/leader"
)

// realConfig returns the configuration of a real API server, where the test may make Leases,
// ConfigMaps and Roles.
func realConfig(t testing.TB) *rest.Config {
	t.Helper()
	path := os.Getenv("AUTOSCALE_TEST_KUBECONFIG")
	if path == "" {
		path = kubecluster.Start(t).Kubeconfig()
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// A cable connects one process to the server, and can be cut.
type cable struct {
	cut   atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cable) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() {
		conn.Close()
		return nil, errors.New("the cable is cut")
	}
	c.conns = append(c.conns, conn)
	return conn, nil
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut.Store(cut)
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// The lease does the same with a real API server, of which a process can be cut off.
func TestElectorReal(t *testing.T) {
	config := realConfig(t)
	t.Run("Rights", func(t *testing.T) { electorRightsReal(t, config) })
	var contests atomic.Int64
	began := time.Now().UnixNano()
	autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: 2300 * time.Millisecond}, func(t *testing.T) autoscaletest.Contest {
		name := fmt.Sprintf("test-%d/%d", began, contests.Add(1))
		cables := map[string]*cable{}
		return autoscaletest.Contest{
			New: func(holder string) autoscale.Elector {
				c := &cable{}
				cables[holder] = c
				config := rest.CopyConfig(config)
				config.Dial = c.dial
				client := kubernetes.FromConfig(config, nil)
				t.Cleanup(client.CloseIdleConnections)
				return client.Elector(&leader.Options{Name: name, Holder: holder, TTL: 2 * time.Second, Renew: 250 * time.Millisecond, Logger: quiet})
			},
			Cut: func(holder string, cut bool) { cables[holder].set(cut) },
		}
	})
}

// The least Role is enough for a real API server, the watch included.
func electorRightsReal(t *testing.T, config *rest.Config) {
	t.Helper()
	plain, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		t.Fatal(err)
	}
	post := func(path string, o map[string]any) {
		t.Helper()
		body, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		res, err := plain.Post(base.String()+path, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", path, res.Status)
		}
	}
	app := fmt.Sprintf("rights-%d", time.Now().UnixNano())
	user := "system:serviceaccount:default:" + app
	var rules []any
	for _, r := range electorRules("autoscale-" + app + ".web") {
		rules = append(rules, map[string]any{"apiGroups": r.APIGroups, "resources": r.Resources, "resourceNames": r.ResourceNames, "verbs": r.Verbs})
	}
	const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/"
	post(rbac+"roles", map[string]any{"metadata": map[string]any{"name": app}, "rules": rules})
	post(rbac+"rolebindings", map[string]any{
		"metadata": map[string]any{"name": app},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": app},
		"subjects": []any{map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}},
	})
	least := rest.CopyConfig(config)
	least.Impersonate = rest.ImpersonationConfig{UserName: user}
	watches := &counter{next: http.DefaultTransport}
	least.Wrap(func(next http.RoundTripper) http.RoundTripper { watches.next = next; return watches })
	client := kubernetes.FromConfig(least, nil)
	t.Cleanup(client.CloseIdleConnections)
	elect := func(name string) *kubernetes.Elector {
		e := client.Elector(&leader.Options{App: app, TTL: 3 * time.Second, Renew: 300 * time.Millisecond, Logger: quiet})
		if err := e.SetDefaultName(name); err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := elect("web")
	stop := run(t, e)
	eventually(t, "it leads", func() bool { return leads(e) })
	term, _ := e.Current()
	if err := errors.Join(e.Save(t.Context(), term.Number, []byte("state")), e.SaveHistory(t.Context(), term.Number, []byte("history")), e.Command(t.Context(), []byte("pause"))); err != nil {
		t.Error(err)
	}
	eventually(t, "the watch is allowed", func() bool { return watches.allowed.Load() > 0 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	other := elect("worker")
	var refused *kubernetes.Error
	if err := other.Run(t.Context()); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("Run for another lease: %v", err)
	}
}

// A counter counts the watches that were allowed.
type counter struct {
	next    http.RoundTripper
	allowed atomic.Int64
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	if err == nil && r.URL.Query().Get("watch") != "" && res.StatusCode == http.StatusOK {
		c.allowed.Add(1)
	}
	return res, err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
