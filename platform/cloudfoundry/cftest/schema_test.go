package cftest_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
)

// The properties that the Cloud Controller sends (cloud_controller_ng, commit 3bbba90:
// process_presenter.rb, process_stats_presenter.rb and deployment_presenter.rb).
const (
	process    = "command created_at disk_in_mb guid health_check instances links log_rate_limit_in_bytes_per_second memory_in_mb metadata readiness_health_check relationships type updated_at user version"
	stats      = "details disk_quota fds_quota host index instance_guid instance_internal_ip instance_ports isolation_segment log_rate_limit mem_quota routable state type uptime usage"
	deployment = "created_at droplet guid links metadata new_processes options previous_droplet relationships revision status strategy updated_at"
)

// The objects have every property that the Cloud Controller sends, and no other.
func TestSchema(t *testing.T) {
	s := cftest.NewServer()
	defer s.Close()
	app := s.AddApp(cftest.App{Processes: map[string]int{"web": 1}, Deploying: true})
	token, _ := decode(t, s.URL+"/oauth/token", func(r *http.Request) { r.SetBasicAuth(cftest.ClientID, cftest.ClientSecret) }, url.Values{"grant_type": {"client_credentials"}})["access_token"].(string)
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "bearer "+token) }
	get := func(path string) map[string]any { return decode(t, s.URL+path, bearer, nil) }
	first := func(path string) map[string]any {
		object, _ := get(path)["resources"].([]any)[0].(map[string]any)
		return object
	}
	for _, tt := range []struct {
		name, want string
		got        map[string]any
	}{
		{"process", process, get("/v3/apps/" + app + "/processes/web")},
		{"stats", stats, first("/v3/apps/" + app + "/processes/web/stats")},
		{"deployment", deployment, first("/v3/deployments?app_guids=" + app)},
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(tt.got)), " "); got != tt.want {
			t.Errorf("%s has %s, want %s", tt.name, got, tt.want)
		}
	}
	if all := get("/v3/deployments?app_guids=" + app)["resources"].([]any); len(all) != 2 {
		t.Errorf("%d deployments without a filter", len(all))
	}
}

func decode(t *testing.T, url string, authorize func(*http.Request), form url.Values) (out map[string]any) {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	authorize(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(body, &out); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d %s", url, res.StatusCode, body)
	}
	return out
}
