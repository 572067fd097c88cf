package scalingotest_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

// The fields of the types of Scalingo's own Go client (go-scalingo, commit c1dffc5:
// Container, ContainerType and Autoscaler).
var schema = map[string]string{
	"containers":  "amount app_id command name size",
	"ps":          "app app_id command container_size created_at deleted_at id label state type type_index",
	"autoscalers": "app_id container_type disabled id max_containers metric min_containers target",
}

// The objects have every field of Scalingo's own client, and no other.
func TestSchema(t *testing.T) {
	s := scalingotest.NewServer()
	defer s.Close()
	s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 1}, Autoscaled: []string{"web"}})
	request := func(method, path string, authorize func(*http.Request)) map[string]json.RawMessage {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		authorize(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		var out map[string]json.RawMessage
		if err := json.Unmarshal(body, &out); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, res.StatusCode, body)
		}
		return out
	}
	var token string
	answer := request("POST", "/v1/tokens/exchange", func(r *http.Request) { r.SetBasicAuth("", scalingotest.Token) })
	if err := json.Unmarshal(answer["token"], &token); err != nil {
		t.Fatal(err)
	}
	for path, want := range schema {
		answer := request("GET", "/v1/apps/shop/"+path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		list := "containers"
		if path == "autoscalers" {
			list = path
		}
		var objects []map[string]json.RawMessage
		if err := json.Unmarshal(answer[list], &objects); err != nil || len(objects) != 1 {
			t.Fatalf("%s: %s", path, answer[list])
		}
		if got := strings.Join(slices.Sorted(maps.Keys(objects[0])), " "); got != want {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
}
