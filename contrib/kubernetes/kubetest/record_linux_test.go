package kubetest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/autoscalebot/autoscale/internal/kubecluster"
)

var record = flag.Bool("record", false, "write the answers of a real kube-apiserver to "+recording)

// TestRecord plays the steps on a real API server, and compares its answers with the
// recording, or writes that.
func TestRecord(t *testing.T) {
	c := kubecluster.Start(t)
	ca, err := c.CA()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	tokens := map[string]string{"": kubecluster.AdminToken, "poor": kubecluster.PoorToken, "wrong": "wrong"}
	got := play(t, func(token string) caller { return caller{t, client, c.URL, tokens[token]} })
	data, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	if *record {
		if err := os.WriteFile(recording, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(data) {
		t.Errorf("kube-apiserver %s answers otherwise than the recording says: run with -record, and look at the difference", kubecluster.Version)
	}
}
