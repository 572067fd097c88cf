package kubecluster

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// KEDAVersion is the version of KEDA that is looked for.
const KEDAVersion = "2.21.0"

// StartKEDA starts KEDA's operator and its metrics adapter, which end with the test, and
// makes its custom resources. It skips the test if keda.sh has not built them.
func (c *Cluster) StartKEDA(t testing.TB) {
	t.Helper()
	dir := filepath.Join(filepath.Dir(BinDir()), "keda-v"+KEDAVersion)
	for _, program := range []string{"keda-operator", "keda-adapter"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			t.Skipf("there is no %s: run internal/kubecluster/keda.sh", filepath.Join(dir, program))
		}
	}
	// The operator watches all of them, also those that nobody uses.
	c.Kubectl(t, "", "apply", "--server-side", "-f", filepath.Join(dir, "crd"))
	c.Kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	c.Kubeconfig()
	service, secure := programs.FreeAddress(t), programs.FreeAddress(t)
	c.run(t, "keda-operator", filepath.Join(dir, "keda-operator"), "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--metrics-service-bind-address="+service, "--cert-dir="+c.path("pair"))
	_, port, _ := net.SplitHostPort(secure)
	_, metrics, _ := net.SplitHostPort(programs.FreeAddress(t))
	c.run(t, "keda-adapter", filepath.Join(dir, "keda-adapter"), "--port="+metrics, "--metrics-service-address="+service, "--bind-address=127.0.0.1", "--secure-port="+port,
		"--cert-dir="+c.path("pair"), "--tls-cert-file="+c.path("pair/tls.crt"), "--tls-private-key-file="+c.path("pair/tls.key"), "--client-ca-file="+c.path("pair/ca.crt"),
		"--lister-kubeconfig="+c.path("kubeconfig"), "--authentication-kubeconfig="+c.path("kubeconfig"), "--authorization-kubeconfig="+c.path("kubeconfig"))
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c.ServeAPI(t, "v1beta1", "external.metrics.k8s.io", n)
}

// run starts a program of KEDA, which ends with the test.
func (c *Cluster) run(t testing.TB, name, program string, args ...string) {
	t.Helper()
	p, err := c.start(name, "env", append([]string{"KUBECONFIG=" + c.path("kubeconfig"), "POD_NAMESPACE=default", "KEDA_CLUSTER_OBJECT_NAMESPACE=default", "WATCH_NAMESPACE=", program}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the last words of %s:\n%s", name, p.words())
		}
	})
}
