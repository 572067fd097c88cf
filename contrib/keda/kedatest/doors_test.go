package kedatest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	page "github.com/autoscalebot/autoscale/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// The README's TLS: both sides show a certificate. A client without one gets no answer.
func TestTLS(t *testing.T) {
	_, cfg := newService(3, nil)
	a := autoscale.New(cfg)
	tick(t, a, time.Now())
	cert, pool := certificate(t)
	server := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	c, _ := serve(t, a, nil, server, credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}))
	if got, err := value(t, c, ref("enableTLS", "true")); err != nil || got != 3 {
		t.Errorf("with a certificate: %v, %v", got, err)
	}
	c, _ = serve(t, a, nil, server, credentials.NewTLS(&tls.Config{RootCAs: pool}))
	if got, err := value(t, c, ref("enableTLS", "true")); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v, %v", got, err)
	}
}

// certificate returns one that signs itself, for 127.0.0.1.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "web"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// KEDA's metrics-api trigger reads the number at valueLocation, takes every status but 200
// for an error, and sends the token as its bearer mode does. Both doors answer the same.
func TestMetricsAPI(t *testing.T) {
	const token = "0123456789abcdef-token"
	_, web := newService(11, nil)
	_, worker := newService(0, func(c *autoscale.Config) { c.Name = "worker" })
	_, late := newService(3, func(c *autoscale.Config) { c.Name = "late" })
	group := autoscale.NewGroup(web, worker, late)
	for _, a := range group.Members()[:2] {
		tick(t, a, time.Now())
	}
	server := httptest.NewServer(http.StripPrefix("/autoscale", page.Handler(group, &page.Options{Token: token})))
	defer server.Close()
	c, _ := serve(t, group, nil, nil, nil)
	for _, tt := range []struct {
		name, token string
		status      int
		want        float64
	}{
		{"web", token, 200, 11},
		{"worker", token, 200, 0},
		{"late", token, 503, 0},
		{"none", token, 404, 0},
		{"web", "another", 401, 0},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/autoscale/size.json?name=%s", server.URL, tt.name), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+tt.token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		_ = json.NewDecoder(response.Body).Decode(&body)
		_ = response.Body.Close()
		got, known := body["published_size"].(float64)
		if response.StatusCode != tt.status || got != tt.want || known != (tt.status == 200) {
			t.Errorf("%s: status %d, %v", tt.name, response.StatusCode, body)
		}
		if tt.token != token {
			continue
		}
		if got, err := value(t, c, ref("name", tt.name)); got != tt.want || (err == nil) != known {
			t.Errorf("%s: size.json says %v, and package keda %v, %v", tt.name, body, got, err)
		}
	}
}
