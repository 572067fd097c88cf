package autoscaleprom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// overloaded is a Prober that measures everything.
type overloaded struct{}

func (overloaded) Probe(context.Context) (autoscale.Sample, error) {
	s := leading().Last.Sample
	s.Latency = 2 * time.Second
	return s, nil
}

// fleet is two processes, each with an Autoscaler of web and of worker. They share the
// platform and a lease for each.
type fleet struct {
	t           testing.TB
	web, worker lease
	processes   [2]*autoscale.Group
	pages       []*httptest.Server
}

func newFleet(t testing.TB) *fleet {
	f := &fleet{t: t}
	f.worker.leader = 1
	web, worker := &platform{size: 1}, &platform{size: 2}
	for i := range f.processes {
		f.processes[i] = autoscale.NewGroup(
			autoscale.Config{
				Name: "web", Prober: overloaded{}, Scaler: web, Elector: f.web.elector(i), Store: &f.web,
				BootTime: 40 * time.Second, Logger: slog.New(slog.DiscardHandler),
			},
			autoscale.Config{
				Name: "worker", Prober: latency(time.Second / 2), Scaler: worker, Elector: f.worker.elector(i), Store: &f.worker,
				Logger: slog.New(slog.DiscardHandler),
			},
		)
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(autoscaleprom.NewCollector(f.processes[i].Members()...))
		page := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		t.Cleanup(page.Close)
		f.pages = append(f.pages, page)
	}
	return f
}

// tick has every process tick n times.
func (f *fleet) tick(n int) {
	f.t.Helper()
	for range n {
		for _, g := range f.processes {
			for _, a := range g.Members() {
				if _, err := a.Tick(f.t.Context(), time.Now()); err != nil && !errors.Is(err, autoscale.ErrNotLeader) {
					f.t.Fatal(err)
				}
			}
		}
	}
}

// targets returns where the processes are scraped.
func (f *fleet) targets() (out []string) {
	for _, p := range f.pages {
		out = append(out, strings.TrimPrefix(p.URL, "http://"))
	}
	return out
}

func is(want map[string]float64) func(map[string]float64) bool {
	return func(got map[string]float64) bool { return maps.Equal(got, want) }
}

// A real Prometheus scrapes two processes. What their sums and maxima say is true, before
// and after the lead of web moves from one to the other.
func TestPrometheus(t *testing.T) {
	f := newFleet(t)
	s := startServer(t, f.targets()...)
	f.tick(1)
	equal := func(expr string, want map[string]float64) {
		t.Helper()
		s.eventually(expr, fmt.Sprint(want), is(want))
	}
	equal(`count by (name) (autoscale_leader)`, map[string]float64{"web": 2, "worker": 2})
	equal(`sum by (name) (autoscale_process_desired)`, map[string]float64{"web": 1, "worker": 2})
	f.tick(9)
	truth := func(leader int) {
		t.Helper()
		equal(`sum by (name) (autoscale_leader)`, map[string]float64{"web": 1, "worker": 1})
		equal(fmt.Sprintf(`autoscale_leader{name="web",instance=%q}`, f.targets()[leader]), map[string]float64{"web": 1})
		for _, function := range []string{"sum", "max", "count"} {
			want := map[string]float64{"web": 3, "worker": 2}
			if function == "count" {
				want = map[string]float64{"web": 1, "worker": 1}
			}
			equal(function+` by (name) (autoscale_process_desired)`, want)
		}
		equal(`max by (name) (autoscale_process_recommended)`, map[string]float64{"web": 4}) // the rule of worker holds
		equal(`max by (name, condition) (autoscale_condition) == 1`, map[string]float64{"web needs_above_max": 1})
		equal(`sum by (name) (autoscale_scales_total)`, map[string]float64{"web": 2, "worker": 0})
		equal(`count by (name) (autoscale_state_age_seconds)`, map[string]float64{"web": 1, "worker": 1})
	}
	truth(0)
	t.Run("rules", func(t *testing.T) { testRules(t, s) })
	t.Run("dashboard", func(t *testing.T) { testDashboard(t, s) })

	f.web.lead(1)
	f.tick(1)
	truth(1)
}

// testRules finds that a Prometheus has evaluated every alert without a fault.
func testRules(t *testing.T, s *server) {
	s = &server{t, s.url}
	type group struct {
		Rules []struct{ Name, Health, LastError, State string }
	}
	// A rule keeps the state of its last evaluation, which may be older than the first tick.
	s.until(func() error {
		var data struct{ Groups []group }
		if err := s.get("/api/v1/rules", url.Values{"type": {"alert"}}, &data); err != nil {
			return err
		}
		if len(data.Groups) != 1 || len(data.Groups[0].Rules) < 13 {
			return fmt.Errorf("the rules are %+v", data.Groups)
		}
		var faults []error
		for _, r := range data.Groups[0].Rules {
			want := "inactive"
			if r.Name == "AutoscaleAtMax" {
				want = "pending" // for half an hour
			}
			if r.Health != "ok" || r.State != want {
				faults = append(faults, fmt.Errorf("%s is %s and %s (%s), want ok and %s", r.Name, r.Health, r.State, r.LastError, want))
			}
		}
		return errors.Join(faults...)
	})
}

// testDashboard runs every query of dashboard.json. None is empty.
func testDashboard(t *testing.T, s *server) {
	s = &server{t, s.url}
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Annotations, Templating struct {
			List []struct{ Name, Expr, Definition string }
		}
		Panels []struct {
			Type, Title, Description string
			Targets                  []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$job", ".*", "$name", ".*", "$__rate_interval", "1m")
	queries := 0
	run := func(title, expr string) {
		t.Helper()
		queries++
		expr = variables.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s: %s has a variable that the test does not know", title, expr)
			return
		}
		s.eventually(expr, "not empty ("+title+")", func(got map[string]float64) bool { return len(got) > 0 })
	}
	for _, p := range d.Panels {
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %q has no description, or no query", p.Title)
		}
		for _, target := range p.Targets {
			run(p.Title, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		run(a.Name, a.Expr)
	}
	for _, v := range d.Templating.List {
		// label_values(series, label)
		values, ok := strings.CutPrefix(v.Definition, "label_values(")
		series, label, ok2 := strings.Cut(strings.TrimSuffix(values, ")"), ", ")
		if v.Definition == "" {
			continue // the data source
		}
		if !ok || !ok2 {
			t.Errorf("variable %s is %q", v.Name, v.Definition)
			continue
		}
		run(v.Name, "count by ("+label+") ("+series+")")
	}
	if queries < 35 {
		t.Errorf("only %d queries were found", queries)
	}
}

// promtool finds no fault in the names, the types and the helps of a leader and a follower.
func TestPromtoolCheckMetrics(t *testing.T) {
	tool := promtool(t)
	registry := prometheus.NewRegistry()
	other := following()
	other.Name = "worker"
	registry.MustRegister(autoscaleprom.NewCollector(leading(), other))
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(page.Body.Bytes())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestPromtoolRules(t *testing.T) {
	tool := promtool(t)
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	// Every alert is tested: both when it fires and when it does not.
	rules, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rules)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), "- alert: "); ok && !strings.Contains(string(tests), "  - alertname: "+name+"\n") {
			t.Errorf("rules_test.yml never has %s fire", name)
		}
	}
}
