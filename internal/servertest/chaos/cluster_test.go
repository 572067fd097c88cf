//go:build linux

package chaos_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// The lease in Kubernetes stands the same trial. The API server is the one that
// AUTOSCALE_TEST_KUBE_APISERVER names, with the etcd that is installed, or else a fake.
func TestChaosKubernetes(t *testing.T) {
	testChaos(t, func(t *testing.T) store {
		if program := os.Getenv("AUTOSCALE_TEST_KUBE_APISERVER"); program != "" {
			return newCluster(t, program)
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
	c := &fakeCluster{kube: kubetest.New(), addr: freeAddress(t)}
	t.Cleanup(c.kube.Close)
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(syscall.SIGQUIT) })
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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

// A cluster is a kube-apiserver with an etcd. The trial stops and starts the former.
type cluster struct {
	dir, program string
	addr, etcd   string
	running      *child
}

const clusterToken = "chaos-token"

func newCluster(t *testing.T, program string) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), program: program, addr: freeAddress(t), etcd: "http://" + freeAddress(t)}
	path, err := exec.LookPath("etcd")
	if err != nil {
		missing(t, "etcd is not installed: install etcd-server")
	}
	if out, err := exec.Command("openssl", "genrsa", "-out", c.path("sa.key"), "2048").CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	if err := os.WriteFile(c.path("tokens"), []byte(clusterToken+`,admin,1,"system:masters"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	peer := "http://" + freeAddress(t)
	etcd, err := startChild(c.command(path, "--data-dir="+c.path("etcd"), "--listen-client-urls="+c.etcd, "--advertise-client-urls="+c.etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync", "--log-level=error"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { etcd.cmd.Process.Kill(); <-etcd.ended })
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(syscall.SIGQUIT) })
	return c
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (c *cluster) address() string          { return c.addr }
func (c *cluster) canStep() bool            { return false }
func (c *cluster) step(time.Duration) error { return nil }

func (c *cluster) flags(proxy string) []string {
	return []string{"-cluster=https://" + proxy, "-token=" + clusterToken}
}

func (c *cluster) start(ctx context.Context) error {
	_, port, _ := net.SplitHostPort(c.addr)
	running, err := startChild(c.command(c.program, "--etcd-servers="+c.etcd, "--secure-port="+port, "--bind-address=127.0.0.1", "--cert-dir="+c.path("certs"),
		"--service-account-issuer=https://chaos.example.org", "--service-account-key-file="+c.path("sa.key"), "--service-account-signing-key-file="+c.path("sa.key"),
		"--token-auth-file="+c.path("tokens"), "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount"))
	if err != nil {
		return err
	}
	c.running = running
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for pause(ctx, 100*time.Millisecond) {
		select {
		case <-running.ended:
			return fmt.Errorf("kube-apiserver ended before it was ready: %v", running.cmd.ProcessState)
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+clusterToken)
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return errors.New("kube-apiserver is not ready after two minutes")
}

// stop stops the API server: SIGINT lets it end its requests, any other signal kills it.
func (c *cluster) stop(how syscall.Signal) {
	if how != syscall.SIGINT {
		how = syscall.SIGKILL
	}
	c.running.cmd.Process.Signal(how)
	select {
	case <-c.running.ended:
	case <-time.After(20 * time.Second):
		c.running.cmd.Process.Kill()
		<-c.running.ended
	}
}
