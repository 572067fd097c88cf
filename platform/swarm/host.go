package swarm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// connectTime bounds the time to make a connection.
const connectTime = 10 * time.Second

// An address is the address of a Docker daemon.
type address struct {
	name   string // the name that people see
	socket string // the path of a unix socket; may be empty
	base   string // the base of the URLs of requests
	certs  string // the folder of the certificates; may be empty
}

// parseHost reads an address in the form of DOCKER_HOST. from says where the address comes
// from. carried means that the host's own transport carries the requests.
func parseHost(from, host, certs string, carried bool) (address, error) {
	const example = "give one such as unix:///var/run/docker.sock or tcp://manager.example.com:2376"
	at := address{name: "not valid", base: "http://docker"}
	scheme, rest, ok := strings.Cut(host, "://")
	switch {
	case !ok:
		return at, errors.New(from + " has no scheme: " + example)
	case scheme == "unix":
		if !filepath.IsAbs(rest) || strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' }) {
			return at, errors.New(from + " is not the absolute path of a socket: " + example)
		}
		at.socket, at.name = rest, "unix://"+outbound.Line(rest, 100)
		return at, nil
	case scheme == "ssh":
		return at, errors.New(from + " is ssh://, which is not supported: forward the socket with `ssh -L /tmp/docker.sock:/var/run/docker.sock`, and give unix:///tmp/docker.sock")
	case scheme != "tcp" && scheme != "http" && scheme != "https":
		return at, fmt.Errorf("%s has the scheme %s, and not unix, tcp or https: %s", from, calls.Quoted(scheme), example)
	}
	u, err := url.Parse(host)
	shown := ""
	if err == nil {
		shown = scheme + "://" + outbound.Line(u.Host, 100)
	}
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return at, errors.New(from + " is not a host and a port alone: " + example)
	case u.Port() == "" && scheme == "tcp":
		return at, errors.New(from + " has no port: " + example)
	case scheme == "https" || scheme == "tcp" && certs != "":
		at.base, at.certs = "https://"+u.Host, certs
	case !carried && !calls.Loopback(u.Hostname()):
		return at, fmt.Errorf("%s is %s, which is not TLS, and whoever can read or reach it commands the swarm: use TLS with a client certificate in DOCKER_CERT_PATH, or a unix socket", from, shown)
	default:
		at.base = "http://" + u.Host
	}
	at.name = shown
	return at, nil
}

// transport returns the transport that carries requests to the address. Proxies of the
// environment are not used.
func (at address) transport() *http.Transport {
	t := outbound.NewTransport()
	t.Proxy, t.ForceAttemptHTTP2 = nil, false
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	switch {
	case at.socket != "":
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", at.socket)
		}
	case at.certs != "":
		t.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			config, err := readCertificates(at.certs)
			if err != nil {
				return nil, err
			}
			return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, addr)
		}
	}
	return t
}

// readCertificates reads the files that `docker --tlsverify` reads.
func readCertificates(dir string) (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("ca.pem of DOCKER_CERT_PATH has no certificate")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
