package kubecluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// A Cluster is a Kubernetes without nodes.
type Cluster struct {
	URL  string // of the API server
	Etcd string // the URL of etcd

	dir     string
	bin     string
	addr    string
	client  atomic.Pointer[http.Client]
	mu      sync.Mutex
	etcd    *child
	api     *child
	manager *child
}

// Start starts a Cluster, which ends with the test. It skips the test if a program is
// missing.
func Start(t testing.TB) *Cluster {
	t.Helper()
	bin := os.Getenv("AUTOSCALE_TEST_KUBERNETES")
	switch bin {
	case "":
		t.Skip("AUTOSCALE_TEST_KUBERNETES is not set: run internal/kubecluster/build.sh once, and set it to 1, or to the folder of kube-apiserver and kube-controller-manager")
	case "1":
		bin = BinDir()
	}
	for _, program := range []string{"kube-apiserver", "kube-controller-manager"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			t.Skipf("there is no %s: run internal/kubecluster/build.sh, or set AUTOSCALE_TEST_KUBERNETES to the folder that has it", filepath.Join(bin, program))
		}
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("there is no etcd: install etcd-server")
	}
	c := &Cluster{dir: t.TempDir(), bin: bin, addr: programs.FreeAddress(t), Etcd: "http://" + programs.FreeAddress(t)}
	c.URL = "https://" + c.addr
	if err := c.prepare(); err != nil {
		t.Fatal(err)
	}
	peer := "http://" + programs.FreeAddress(t)
	c.etcd, err = c.start("etcd", etcd, "--data-dir="+c.path("etcd"), "--listen-client-urls="+c.Etcd, "--advertise-client-urls="+c.Etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync", "--log-level=error")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.etcd.kill(syscall.SIGKILL) })
	t.Cleanup(func() { c.StopAPI(syscall.SIGKILL) })
	if err := c.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.manager, err = c.start("kube-controller-manager", filepath.Join(bin, "kube-controller-manager"),
		"--kubeconfig="+c.Kubeconfig(), "--controllers=deployment-controller,replicaset-controller,statefulset-controller,horizontal-pod-autoscaler-controller,namespace-controller,garbage-collector-controller,endpointslice-controller,serviceaccount-controller,resourcequota-controller",
		"--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400", "--horizontal-pod-autoscaler-sync-period=2s", "--secure-port=0",
		"--service-account-private-key-file="+c.path("sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.manager.kill(syscall.SIGKILL) })
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); c.kubelet(running) }()
	t.Cleanup(func() { stop(); <-ended })
	t.Cleanup(func() {
		if t.Failed() {
			for _, each := range []*child{c.etcd, c.api, c.manager} {
				t.Logf("the last words of %s:\n%s", each.name, each.words())
			}
		}
	})
	return c
}

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

// prepare writes the files that the programs read.
func (c *Cluster) prepare() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	tokens := AdminToken + `,admin,1,"system:masters"` + "\n" + PoorToken + "," + PoorUser + ",2\n"
	return errors.Join(os.WriteFile(c.path("sa.key"), block, 0o600), os.WriteFile(c.path("tokens"), []byte(tokens), 0o600), writePair(c.path("pair")))
}

// StartAPI starts the API server, and waits until it is ready.
func (c *Cluster) StartAPI(ctx context.Context) error {
	_, port, _ := net.SplitHostPort(c.addr)
	api, err := c.start("kube-apiserver", filepath.Join(c.bin, "kube-apiserver"),
		"--etcd-servers="+c.Etcd, "--secure-port="+port, "--bind-address=127.0.0.1", "--cert-dir="+c.path("certs"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.path("sa.key"), "--service-account-signing-key-file="+c.path("sa.key"),
		"--token-auth-file="+c.path("tokens"), "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
		// For ServeAPI.
		"--requestheader-client-ca-file="+c.path("pair/ca.crt"), "--requestheader-allowed-names="+pairName, "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.path("pair/tls.crt"), "--proxy-client-key-file="+c.path("pair/tls.key"))
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.api = api
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		select {
		case <-api.ended:
			return fmt.Errorf("kube-apiserver ended before it was ready:\n%s", api.words())
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w\n%s", ctx.Err(), api.words())
		case <-time.After(100 * time.Millisecond):
		}
		if ca, err := c.CA(); err == nil {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(ca)
			// The certificate is the same after a restart.
			c.client.CompareAndSwap(nil, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}})
			if c.Do(ctx, http.MethodGet, "/readyz", "", nil, nil) == nil {
				return nil
			}
		}
	}
}

// StopAPI stops the API server by a signal: SIGTERM lets it end its requests.
func (c *Cluster) StopAPI(how syscall.Signal) {
	c.mu.Lock()
	api := c.api
	c.mu.Unlock()
	if api != nil {
		api.kill(how)
	}
}

// SignalEtcd sends a signal to etcd: SIGSTOP makes it slow, and SIGCONT goes on. After SIGSTOP
// it waits until all threads have stopped, which takes a while on a busy machine.
func (c *Cluster) SignalEtcd(how syscall.Signal) error {
	err := c.etcd.cmd.Process.Signal(how)
	for range 5000 {
		if err != nil || how != syscall.SIGSTOP || stopped(c.etcd.cmd.Process.Pid) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("etcd goes on after SIGSTOP")
}

// stopped reports whether all threads of a process are stopped by a signal.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		// The state comes after the name, which may have any character.
		if i := bytes.LastIndexByte(stat, ')'); err != nil || i < 0 || !bytes.HasPrefix(stat[i:], []byte(") T")) {
			return false
		}
	}
	return len(threads) > 0
}

// CA returns the certificate that signs that of the API server, which is itself.
func (c *Cluster) CA() ([]byte, error) { return os.ReadFile(c.path("certs/apiserver.crt")) }

// Kubeconfig returns the path of a kubeconfig for AdminToken.
func (c *Cluster) Kubeconfig() string {
	path := c.path("kubeconfig")
	ca, _ := c.CA()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin, namespace: default}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: admin, user: {token: %s}}]
`, c.URL, base64.StdEncoding.EncodeToString(ca), AdminToken)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return ""
	}
	return path
}

// Kubectl runs kubectl as the admin, and returns what it printed.
func (c *Cluster) Kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("there is no kubectl")
	}
	cmd := exec.Command(kubectl, append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A Refusal is an answer that is an error.
type Refusal struct {
	Status int
	Body   string
}

// Error returns the status and the body.
func (r *Refusal) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Body) }

// Do makes a request as the admin. in is sent as JSON, unless it is a string, which is sent
// unchanged. out, unless it is nil, gets the JSON of the answer. A status of 300 or more is
// a *Refusal.
func (c *Cluster) Do(ctx context.Context, method, path, contentType string, in, out any) error {
	var body []byte
	switch in := in.(type) {
	case nil:
	case string:
		body = []byte(in)
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+AdminToken)
	if contentType == "" {
		contentType = "application/json"
	}
	req.Header.Set("Content-Type", contentType)
	res, err := c.client.Load().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode >= 300:
		return &Refusal{res.StatusCode, string(answer)}
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// A child is a program that runs.
type child struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	log   string
}

func (c *Cluster) start(name, program string, args ...string) (*child, error) {
	log, err := os.OpenFile(c.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &child{name, cmd, make(chan struct{}), log.Name()}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	return p, nil
}

// kill sends a signal and waits, for 20 seconds at most before SIGKILL.
func (p *child) kill(how syscall.Signal) {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(how)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// words returns the end of what it wrote.
func (p *child) words() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-4000):])
}
