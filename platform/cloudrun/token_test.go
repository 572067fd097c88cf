package cloudrun_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
)

// metadata starts a metadata server that answers so.
func metadata(t *testing.T, status int, flavor, body string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			status = http.StatusForbidden
		}
		if flavor != "" {
			w.Header().Set("Metadata-Flavor", flavor)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(s.URL, "http://"))
}

func TestMetadata(t *testing.T) {
	metadata(t, 200, "Google", `{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`)
	token, end, err := cloudrun.MetadataToken(t.Context())
	if err != nil || token != "ya29.x" || time.Until(end) > time.Hour || time.Until(end) < 59*time.Minute {
		t.Errorf("%v, %v", time.Until(end), err)
	}
}

// No two instances have the same id, however long and alike what the server says is.
func TestInstanceID(t *testing.T) {
	long := strings.Repeat("0067ff", 50)
	seen := map[string]string{}
	for _, id := range []string{"abcd", long[:39], long[:40], long[:41], long, long + "0", long + "1", "1" + long} {
		metadata(t, 200, "Google", id+"\n")
		got, err := cloudrun.InstanceID(t.Context())
		if err != nil || len(got) > 40 || got[:4] != id[:4] {
			t.Errorf("%q became %q, %v", id, got, err)
		}
		if len(id) <= 40 && got != id {
			t.Errorf("%q became %q", id, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q are both %q", id, other, got)
		}
		seen[got] = id
		if again, err := cloudrun.InstanceID(t.Context()); again != got || err != nil {
			t.Errorf("%q became %q, and then %q, %v", id, got, again, err)
		}
	}
}

// What is not a metadata server of Google is not believed, and its answer shows nowhere.
func TestMetadataRefuses(t *testing.T) {
	for _, tt := range []struct {
		status             int
		flavor, body, want string
	}{
		{404, "Google", "zqx", "status 404: check the service account"},
		{302, "Google", "zqx", "status 302"},
		{200, "", "zqx", "no header Metadata-Flavor"},
		{200, "Google", "<html>zqx", "the answer"},
		{200, "Google", `{"access_token":"","expires_in":3599}`, "the answer"},
		{200, "Google", strings.Repeat("zqx ", 1<<16), "more than 65536 bytes"},
		{200, "Google", "\x00\x01zqx\n", "the answer"},
	} {
		metadata(t, tt.status, tt.flavor, tt.body)
		token, _, err := cloudrun.MetadataToken(t.Context())
		id, err2 := cloudrun.InstanceID(t.Context())
		if err == nil || err2 == nil || token != "" || id != "" {
			t.Errorf("%d %.20q became %q, %v and %q, %v", tt.status, tt.body, token, err, id, err2)
			continue
		}
		for _, err := range []error{err, err2} {
			platformsuite.Text(t, "the error", err.Error(), "zqx")
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v lacks %q", err, tt.want)
			}
		}
	}
	for _, body := range []string{`{"access_token":"a"}`, `{"access_token":"a","expires_in":-1}`, `{"access_token":"a","expires_in":1e300}`} {
		metadata(t, 200, "Google", body)
		if _, _, err := cloudrun.MetadataToken(t.Context()); err == nil || !strings.Contains(err.Error(), "no expires_in") {
			t.Errorf("%s became %v", body, err)
		}
	}
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	if _, _, err := cloudrun.MetadataToken(t.Context()); err == nil || !strings.Contains(err.Error(), "with a TokenFunc outside of Google Cloud") {
		t.Error(err)
	}
}
