//go:build linux

package chaos_test

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"github.com/autoscalebot/autoscale/internal/programs"
)

var realCluster = flag.Bool("real", false, "the lease in Kubernetes is on a real API server, and not on a fake")

// The lease in Kubernetes stands the same trial.
func TestChaosKubernetes(t *testing.T) {
	testChaos(t, func(t *testing.T) store {
		if *realCluster {
			return cluster{kubecluster.Start(t)}
		}
		return newFakeCluster(t)
	})
}

// A fakeCluster is a fake API server. What it holds outlives a stop, as in etcd.
type fakeCluster struct {
	kube *kubetest.Server
	addr string
	http *http.Server
}

func newFakeCluster(t *testing.T) *fakeCluster {
	c := &fakeCluster{kube: kubetest.New(), addr: programs.FreeAddress(t)}
	t.Cleanup(c.kube.Close)
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(syscall.SIGQUIT) })
	return c
}

func (c *fakeCluster) address() string          { return c.addr }
func (c *fakeCluster) canStep() bool            { return false }
func (c *fakeCluster) step(time.Duration) error { return nil }

func (c *fakeCluster) flags(proxy string) []string {
	return []string{"-cluster=http://" + proxy, "-token=" + kubetest.Token}
}

func (c *fakeCluster) start(context.Context) error {
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	c.http = &http.Server{Handler: c.kube, ErrorLog: log.New(io.Discard, "", 0)}
	go c.http.Serve(l)
	return nil
}

func (c *fakeCluster) stop(how syscall.Signal) {
	if how == syscall.SIGINT {
		c.kube.EndWatches()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.http.Shutdown(ctx)
	}
	c.http.Close()
}

// A cluster is a real Kubernetes. The trial stops and starts its API server.
type cluster struct{ *kubecluster.Cluster }

func (c cluster) address() string          { return strings.TrimPrefix(c.URL, "https://") }
func (c cluster) canStep() bool            { return false }
func (c cluster) step(time.Duration) error { return nil }

func (c cluster) flags(proxy string) []string {
	return []string{"-cluster=https://" + proxy, "-token=" + kubecluster.AdminToken}
}

func (c cluster) start(ctx context.Context) error { return c.StartAPI(ctx) }

// stop stops the API server: SIGINT lets it end its requests, any other signal kills it.
func (c cluster) stop(how syscall.Signal) {
	if how != syscall.SIGINT {
		how = syscall.SIGKILL
	}
	c.StopAPI(how)
}
