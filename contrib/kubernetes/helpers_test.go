package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

// answering returns a client, in the namespace shop, of a server that answers so.
func answering(t *testing.T, handler http.HandlerFunc) *kubernetes.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return kubernetes.FromConfig(&rest.Config{Host: server.URL, BearerToken: token}, &kubernetes.Options{Namespace: "shop"})
}

const token = "a-token-that-nobody-may-see"

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
