package keda_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// A reader can copy what the README shows.
func TestSnippets(t *testing.T) {
	const module = "github.com/autoscalebot/autoscale"
	docstest.Compile(t, docstest.Context{
		Imports: map[string]string{
			"autoscale": module, "credentials": "google.golang.org/grpc/credentials", "grpc": "google.golang.org/grpc", "keda": module + "/contrib/keda",
			"leader": module + "/leader", "net": "net", "tls": "crypto/tls", "x509": "crypto/x509",
		},
		Vars: map[string]string{
			"certificate": "tls.Certificate", "listener": "net.Listener", "pool": "*x509.CertPool", "prober": "autoscale.Prober",
			// contrib/kubernetes is another module.
			"kubernetes": "struct { InCluster func(any) interface { Scaler(string, any) autoscale.Scaler; Elector(*leader.Options) autoscale.Elector } }",
		},
	}, docstest.Read(t, "README.md")...)
}
