package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	"github.com/autoscalebot/autoscale/leader"
)

// realConfig returns the configuration of a real API server, where the test may make Leases
// and ConfigMaps.
func realConfig(t testing.TB) *rest.Config {
	t.Helper()
	path := os.Getenv("AUTOSCALE_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("set AUTOSCALE_TEST_KUBECONFIG to the kubeconfig of an API server, in whose default namespace Leases and ConfigMaps may be made")
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

// The lease does the same with a real API server.
func TestElectorReal(t *testing.T) {
	config := realConfig(t)
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
