package swarm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// Each form of an address is understood, or is refused before anything is sent.
func TestHosts(t *testing.T) {
	t.Setenv("DOCKER_CERT_PATH", "")
	for _, tt := range []struct{ host, certs, want string }{
		{"unix:///var/run/docker.sock", "", "swarm.Client(unix:///var/run/docker.sock)"},
		{"unix:///var/run/docker.sock", "/certs", "swarm.Client(unix:///var/run/docker.sock)"},
		{"tcp://127.0.0.1:2375", "", "swarm.Client(tcp://127.0.0.1:2375)"},
		{"tcp://[::1]:2375", "", "swarm.Client(tcp://[::1]:2375)"},
		{"tcp://localhost:2375/", "", "swarm.Client(tcp://localhost:2375)"},
		{"http://127.0.0.1:2375", "/certs", "swarm.Client(http://127.0.0.1:2375)"},
		{"tcp://manager.example.com:2376", "/certs", "swarm.Client(tcp://manager.example.com:2376)"},
		{"https://manager.example.com", "", "swarm.Client(https://manager.example.com)"},
		{"tcp://manager.example.com:2375", "", "tcp://manager.example.com:2375, which is not TLS, and whoever can read or reach it commands the swarm"},
		{"http://manager.example.com:2375", "/certs", "http://manager.example.com:2375, which is not TLS"},
		{"tcp://0.0.0.0:2375", "", "which is not TLS"},
		{"tcp://" + strings.Repeat("a", 5000) + ":2375", "", "a…, which is not TLS"},
		{"tcp://a\u2028b:2375", "", "tcp://a b:2375, which is not TLS"},
		{"https://" + strings.Repeat("a", 5000), "", "swarm.Client(https://" + strings.Repeat("a", 97) + "…)"},
		{"tcp://127.0.0.1", "", "has no port"},
		{"tcp://user:" + secret + "@127.0.0.1:2375", "", "not a host and a port alone"},
		{"tcp://127.0.0.1:2375/v1.41", "", "not a host and a port alone"},
		{"tcp://127.0.0.1:2375?a=b", "", "not a host and a port alone"},
		{"tcp://:2375", "", "not a host and a port alone"},
		{"tcp://a b:1", "", "not a host and a port alone"},
		{"unix://docker.sock", "", "not the absolute path of a socket"},
		{"unix:///var/run/\x00", "", "not the absolute path of a socket"},
		{"ssh://me@manager.example.com", "", "ssh://, which is not supported: forward the socket"},
		{"npipe:////./pipe/docker_engine", "", `has the scheme "npipe", and not unix, tcp or https`},
		{"/var/run/docker.sock", "", "has no scheme"},
		{secret + strings.Repeat("x", 500) + "://", "", "and not unix, tcp or https"},
	} {
		if runtime.GOOS == "windows" && strings.HasPrefix(tt.want, "swarm.Client(unix") {
			continue
		}
		c := swarm.NewClient(tt.certs, &platform.Options{BaseURL: tt.host})
		if err := c.Scaler("web").Validate(); err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q: %v", tt.host, err)
			}
			if _, called := c.Scaler("web").Capacity(t.Context()); called == nil {
				t.Errorf("%q was called", tt.host)
			}
			platformsuite.Text(t, tt.host, err.Error())
			if strings.Contains(tt.host, "user") {
				platformsuite.Hidden(t, []string{secret}, err, c)
			}
		} else if got := fmt.Sprint(c); got != tt.want || c.Proxied() {
			t.Errorf("%q: %s, want %s, without a proxy", tt.host, got, tt.want)
		}
	}
	t.Setenv("DOCKER_HOST", "tcp://manager.example.com:2376")
	t.Setenv("DOCKER_CERT_PATH", "/certs")
	if got := fmt.Sprint(swarm.NewClient("", nil)); got != "swarm.Client(tcp://manager.example.com:2376)" {
		t.Error(got)
	}
	t.Setenv("DOCKER_HOST", "")
	if got := fmt.Sprint(swarm.NewClient("", nil)); got != "swarm.Client("+swarm.DefaultHost+")" {
		t.Error(got)
	}
	err := swarm.NewClient("", &platform.Options{BaseURL: "x", CallsPerHour: -1, AttemptTimeout: -1}).Scaler("").Validate()
	for _, want := range []string{"no scheme", "CallsPerHour is -1", "AttemptTimeout is -1", `the service ""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// A socket is reached, or its error says what to do.
func TestSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Docker's socket is that of Unix")
	}
	dir, err := os.MkdirTemp("", "s") // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "docker.sock")
	read := func() (int, error) {
		c := swarm.NewClient("", &platform.Options{BaseURL: "unix://" + socket})
		defer c.CloseIdleConnections()
		got, err := c.Scaler("web").Capacity(t.Context())
		return got.Desired, err
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "there is no socket of Docker") || strings.Contains(err.Error(), "tries") {
		t.Error(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(two)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	if n, err := read(); n != 2 || err != nil {
		t.Error(n, err)
	}
	if os.Getuid() != 0 { // root may open all
		_ = os.Chmod(socket, 0)
		if _, err := read(); err == nil || !strings.Contains(err.Error(), "run with the socket's group") {
			t.Error(err)
		}
		_ = os.Chmod(socket, 0o600)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	s.Close()
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "no Docker daemon listens there") {
		t.Error(err)
	}
}

// two answers that the service web has two tasks.
var two = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/tasks" {
		fmt.Fprint(w, `[]`)
		return
	}
	fmt.Fprint(w, answer("", `"Replicated":{"Replicas":2}`, ""))
})

// Both sides of TLS prove who they are, with files that may be replaced.
func TestTLS(t *testing.T) {
	one, other := newCA(t), newCA(t)
	s := httptest.NewUnstartedServer(two)
	s.TLS = &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: one.pool, MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{one.pair(t)},
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	c := swarm.NewClient(dir, &platform.Options{BaseURL: "tcp://" + s.Listener.Addr().String(), AttemptTimeout: 30 * time.Second})
	read := func(want string) {
		t.Helper()
		c.CloseIdleConnections()
		got, err := c.Scaler("web").Capacity(t.Context())
		switch {
		case want == "" && (err != nil || got.Desired != 2):
			t.Errorf("%+v, %v", got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%+v, %v; want %q", got, err, want)
		}
	}
	read("there is no socket of Docker, or no certificate")
	one.write(t, dir, one)
	read("")
	other.write(t, dir, one) // the client does not know this daemon
	read("x509")
	one.write(t, dir, other) // the daemon does not know this client
	read("tls: unknown certificate authority")
	one.write(t, dir, one)
	read("")
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	read("ca.pem of DOCKER_CERT_PATH has no certificate")
}

// A ca is a certificate authority.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	pool *x509.CertPool
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &ca{key: key, pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.pool.AddCert(a.cert)
	return a
}

// issue returns a certificate and its key, in PEM.
func (a *ca) issue(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "docker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

func (a *ca) pair(t *testing.T) tls.Certificate {
	t.Helper()
	p, err := tls.X509KeyPair(a.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write writes the files of a client that trusts a, and has a certificate of issuer.
func (a *ca) write(t *testing.T, dir string, issuer *ca) {
	t.Helper()
	cert, key := issuer.issue(t)
	for name, text := range map[string][]byte{"ca.pem": a.pem, "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
