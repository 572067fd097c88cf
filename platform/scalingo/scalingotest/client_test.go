package scalingotest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/platformtest"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

// clientVersion is the version of Scalingo's client for JavaScript that this test was
// written against.
const clientVersion = "0.14.6"

// theirClient returns the folder of Scalingo's client and the path of Node.js, or skips the
// test.
func theirClient(t *testing.T) (client, node string) {
	t.Helper()
	client = os.Getenv("AUTOSCALE_TEST_SCALINGO_CLIENT")
	node, err := exec.LookPath("node")
	if client != "" && err == nil {
		return client, node
	}
	const how = "Scalingo's client or Node.js is not installed; to run this test: " +
		"npm install --prefix DIR scalingo@" + clientVersion + " and set AUTOSCALE_TEST_SCALINGO_CLIENT=DIR/node_modules/scalingo"
	if client != "" || os.Getenv("AUTOSCALE_TEST_REQUIRE") == "1" {
		t.Fatal(how)
	}
	t.Skip(how)
	return "", ""
}

// The fake answers Scalingo's own client as it answers ours, and the requests of both are the
// same.
func TestScalingosClient(t *testing.T) {
	client, node := theirClient(t)
	s := scalingotest.NewServer()
	defer s.Close()
	app := func() {
		s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 2, "worker": 1}, Autoscaled: []string{"worker"}})
	}
	app()
	ours := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL})
	defer ours.CloseIdleConnections()
	scaler := ours.Scaler("shop", "web")
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := scaler.Scale(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	before := s.Requests()

	app()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "testdata/client.cjs", client, s.URL, scalingotest.Token, "shop", "4")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	var told struct {
		Formation, Scaled []struct {
			Name   string
			Amount int
			Size   string
		}
		Processes []struct {
			Type, State string
			Index       int `json:"type_index"`
		}
		Autoscalers []struct {
			Type     string `json:"container_type"`
			Disabled bool
			Min      int `json:"min_containers"`
			Max      int `json:"max_containers"`
		}
		Operation struct{ Status, Type string }
		Refused   struct{ Status int }
	}
	if err != nil || json.Unmarshal(out, &told) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if f := told.Formation; len(f) != 2 || f[0].Name != "web" || f[0].Amount != 2 || f[1].Amount != 1 || f[0].Size == "" {
		t.Errorf("the formation is %+v", f)
	}
	if p := told.Processes; len(p) != 3 || p[0].Type != "web" || p[0].State != "running" || p[1].Index != 2 {
		t.Errorf("the containers are %+v", p)
	}
	if a := told.Autoscalers; len(a) != 1 || a[0].Type != "worker" || a[0].Disabled || a[0].Min == 0 || a[0].Max == 0 {
		t.Errorf("the autoscalers are %+v", a)
	}
	if told.Scaled[0].Amount != 4 || told.Operation.Status != "done" || told.Operation.Type != "scale" || told.Refused.Status != 422 {
		t.Errorf("a scale: %s", out)
	}

	// Each request that we make is one that they make.
	theirs := s.Requests()[len(before):]
	for _, our := range before {
		if !slices.ContainsFunc(theirs, func(their platformtest.Request) bool {
			return our.Method == their.Method && our.Path == their.Path && our.Status == their.Status && (our.Method == "GET" || our.Body == their.Body)
		}) {
			t.Errorf("they do not make %+v", our)
		}
	}
}
