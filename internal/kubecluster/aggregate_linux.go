package kubecluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pairName is the subject of the certificate that writePair writes.
const pairName = "kubecluster"

// writePair writes what Pair has. It expires in a day.
func writePair(dir string) error {
	template := func(number int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		}
	}
	caKey, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ca, leaf := template(1, pairName+"-ca"), template(2, pairName)
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	keyDER, err3 := x509.MarshalECPrivateKey(key)
	if err := errors.Join(err1, err2, err3, os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	write := func(name, kind string, der []byte) error {
		return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	return errors.Join(write("ca.crt", "CERTIFICATE", caDER), write("tls.crt", "CERTIFICATE", leafDER), write("tls.key", "EC PRIVATE KEY", keyDER))
}

// Pair returns the folder of ca.crt, tls.crt and tls.key: a certificate of localhost and
// 127.0.0.1, for servers and for clients.
func (c *Cluster) Pair() string { return c.path("pair") }

// ServeAPI has the API server ask a server on a port of localhost, by TLS, for one version of
// a group, such as "v1beta1.external.metrics.k8s.io". It waits until the API server finds it
// available. A later call for the same one replaces the server.
func (c *Cluster) ServeAPI(t testing.TB, version, group string, port int) {
	t.Helper()
	name := version + "." + group
	// The endpoints of a Service must not be of the loopback network. The name of an
	// ExternalName may.
	c.Kubectl(t, fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: aggregated, namespace: default}
spec: {type: ExternalName, externalName: localhost, ports: [{port: %d}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: %s}
spec:
  group: %s
  version: %s
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: default, name: aggregated, port: %[1]d}
`, port, name, group, version), "apply", "-f", "-")
	c.Kubectl(t, "", "wait", "--for=condition=Available", "--timeout=120s", "apiservice", name)
}
