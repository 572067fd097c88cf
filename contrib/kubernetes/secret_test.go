package kubernetes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

// No value that this package exports gives credentials away, however it is formatted,
// also if the server sends them back.
func TestCredentialsAreNeverPrinted(t *testing.T) {
	const password = "a-password-that-nobody-may-see"
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := r.Header.Get("Authorization")
		if !strings.Contains(got, " ") {
			t.Errorf("Authorization is %q", got)
		}
		w.Header().Set("Location", "https://example.com/?"+got)
		switch n++; n % 4 {
		case 0:
			w.WriteHeader(403)
			fmt.Fprintf(w, `{"kind":"Status","code":403,"reason":%q,"message":"User \"%s\" cannot %s"}`, got, got, got)
		case 1:
			w.WriteHeader(302)
		case 2:
			w.WriteHeader(400)
			io.WriteString(w, "<html>"+got)
		default:
			fmt.Fprintf(w, `{"kind":%q,"metadata":{"name":%q}}`, got, got)
		}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	jsonLog, textLog := slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.NewTextHandler(&out, nil))
	for _, config := range []*rest.Config{
		{Host: server.URL, BearerToken: token},
		{Host: server.URL, BearerTokenFile: file},
		{Host: server.URL, Username: "shop", Password: password},
		{Host: "http://shop:" + password + "@127.0.0.1:1"},
	} {
		c := kubernetes.FromConfig(config, nil)
		s := c.Scaler("deployment/web", nil)
		values := []any{c, &c, s, &s, c.ProtectLeader(nil, nil), c.Validate(), []any{c, s}, map[string]any{"c": c}, struct {
			C *kubernetes.Client
			S *kubernetes.Scaler
		}{c, s}, reflect.ValueOf(c).Elem()}
		if config.BearerToken != "" { // one in a file is not known before it is used
			values = append(values, c.Scaler(token, nil))
		}
		for range 4 {
			_, err := s.Capacity(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for ; err != nil; err = errors.Unwrap(err) {
				values = append(values, err)
				var e *kubernetes.Error
				if errors.As(err, &e) {
					values = append(values, *e, e.Role())
				}
			}
		}
		for _, v := range values {
			for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "p", "t", "w"} {
				fmt.Fprintf(&out, "%"+verb+"\n", v)
			}
			jsonLog.Info("m", "v", v)
			textLog.Info("m", "v", v)
			text, _ := json.Marshal(v)
			out.Write(text)
		}
	}
	for _, secret := range []string{token, password, "c2hvcDph"} { // the last is how Basic shop:a… begins
		for _, leak := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret)} {
			if i := strings.Index(out.String(), leak); i >= 0 {
				t.Errorf("%q was printed: %q", secret, out.String()[max(0, i-300):i+40])
			}
		}
	}
}
