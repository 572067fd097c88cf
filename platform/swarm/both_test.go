package swarm_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// both are the tests that the fake and a real Docker daemon must pass.
var both = []struct {
	name string
	test func(t *testing.T, d *daemon)
}{
	{"suite", func(t *testing.T, d *daemon) {
		s := d.create(t, "suite", 1, nil)
		autoscaletest.Scaler(t, s, autoscaletest.ScalerOptions{
			Sizes: []int{2, 1, 3, 3, 0, 1},
			Rival: func(on bool) {
				d.change(t, "suite", func(spec fields) { spec["Labels"] = map[string]bool{}; setLabel(spec, "orbiter", on) })
			},
		})
	}},
	{"tasks that run go on running", func(t *testing.T, d *daemon) {
		s := d.create(t, "kept", 2, nil)
		before := d.run(t, "kept", 2)
		order(t, s, 5)
		grown := d.run(t, "kept", 5)
		order(t, s, 3)
		until(t, "two tasks are gone", func() bool { return len(d.tasks(t, "kept")) == 3 })
		after := d.tasks(t, "kept")
		if got := slots(after); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the slots %v are left", got)
		}
		for slot, each := range after {
			if each.id != grown[slot].id || slot <= 2 && each.id != before[slot].id {
				t.Errorf("the task of slot %d was %s and %s, and is %s", slot, before[slot].id, grown[slot].id, each.id)
			}
		}
		if u := d.get(t, "kept")["UpdateStatus"]; u != nil {
			t.Errorf("an order began an update: %v", u)
		}
	}},
	{"all else of the spec is sent back", func(t *testing.T, d *daemon) {
		s := d.create(t, "whole", 1, rich)
		before := d.get(t, "whole")["Spec"].(fields)
		first := d.run(t, "whole", 1)
		order(t, s, 2)
		v := d.get(t, "whole")
		after := v["Spec"].(fields)
		if n := after["Mode"].(fields)["Replicated"].(fields)["Replicas"]; n != json.Number("2") {
			t.Errorf("%v replicas", n)
		}
		if diff := cmp.Diff(before, v["PreviousSpec"].(fields)); diff != "" {
			t.Errorf("the previous spec is another one: %s", diff)
		}
		after["Mode"] = before["Mode"]
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the spec has changed: %s", diff)
		}
		if got := d.run(t, "whole", 2); got[1].id != first[1].id {
			t.Errorf("the task was replaced: %v, %v", first, got)
		}
	}},
	{"somebody changes something else", func(t *testing.T, d *daemon) {
		d.create(t, "meanwhile", 1, nil)
		n := 0
		s := d.meddled("meanwhile", func() {
			if n++; n <= 2 {
				d.change(t, "meanwhile", func(spec fields) { setLabel(spec, "meddled", n == 1) })
			}
		})
		order(t, s, 3)
		if c := capacity(t, s); c.Desired != 3 || n != 3 {
			t.Errorf("%+v after %d orders", c, n)
		}
	}},
	{"somebody changes something all the time", func(t *testing.T, d *daemon) {
		d.create(t, "always", 1, nil)
		n := 0
		s := d.meddled("always", func() { n++; d.change(t, "always", func(spec fields) { setLabel(spec, "meddled", n%2 == 0) }) })
		err := s.Scale(t.Context(), 3)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || busy.Unsure || !strings.Contains(err.Error(), "update out of sequence") || n != 4 {
			t.Errorf("after %d orders: %v", n, err)
		}
	}},
	{"somebody changes the size", func(t *testing.T, d *daemon) {
		d.create(t, "sized", 1, func(spec fields) { spec["Labels"] = map[string]string{"com.docker.stack.namespace": "shop"} })
		for size, want := range map[int]string{2: "changed the size from 1 to 2, as `docker stack deploy` does: it is decided again", 3: ""} {
			d.change(t, "sized", setReplicas(1))
			s := d.meddled("sized", func() { d.change(t, "sized", setReplicas(size)) })
			err := s.Scale(t.Context(), 3)
			var busy *autoscale.BusyError
			if errors.As(err, &busy) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("to %d: %v", size, err)
			}
			if c := capacity(t, s); c.Desired != size {
				t.Errorf("%+v, want %d", c, size)
			}
			if notes := s.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "of the stack shop: each `docker stack deploy` sets") {
				t.Errorf("notes %q", notes)
			}
		}
	}},
	{"modes", func(t *testing.T, d *daemon) {
		for name, tt := range map[string]struct {
			mode fields
			want string
		}{
			"global": {fields{"Global": fields{}}, "the service is global, which has one task on each node"},
			"job":    {fields{"ReplicatedJob": fields{"MaxConcurrent": 1, "TotalCompletions": 1}}, "the service is a job"},
			"jobs":   {fields{"GlobalJob": fields{}}, "the service is a job"},
		} {
			s := d.create(t, name, 1, func(spec fields) { spec["Mode"] = tt.mode; delete(spec, "UpdateConfig") })
			if c, err := s.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %+v, %v", name, c, err)
			}
			if err := s.Scale(t.Context(), 2); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}},
	{"names", func(t *testing.T, d *daemon) {
		d.create(t, "named", 1, nil)
		id := d.get(t, "named")["ID"].(string)
		o := d.options
		c := swarm.NewClient("", &o)
		t.Cleanup(c.CloseIdleConnections)
		if got := capacity(t, c.Scaler(id)); got.Desired != 1 {
			t.Errorf("by its ID: %+v", got)
		}
		for name, want := range map[string]string{
			"nothing":      `404 Not Found: service nothing not found: check the name`,
			id[:len(id)-2]: `the answer is about the service "named", whose ID begins so`,
		} {
			if _, err := c.Scaler(name).Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}},
	{"an update", func(t *testing.T, d *daemon) {
		s := d.create(t, "updated", 2, func(spec fields) { spec["UpdateConfig"].(fields)["Monitor"] = int64(time.Hour) })
		before := d.run(t, "updated", 2)
		d.change(t, "updated", func(spec fields) { addEnv(spec, "RELEASE=2") })
		until(t, "it is seen", func() bool { return capacity(t, s).Deploying })
		err := s.Scale(t.Context(), 3)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || busy.RetryAfter != 10*time.Minute || !strings.Contains(err.Error(), "an update is under way") {
			t.Errorf("%+v", err)
		}
		until(t, "both tasks are other ones", func() bool {
			now := d.tasks(t, "updated")
			return len(now) == 2 && now[1].id != before[1].id && now[2].id != before[2].id
		})
		d.run(t, "updated", 2)
		d.change(t, "updated", func(spec fields) { setLabel(spec, "ended", true) }) // any change ends the hour
		if c := capacity(t, s); c.Deploying {
			t.Errorf("%+v", c)
		}
		order(t, s, 3)
		d.run(t, "updated", 3)
	}},
	{"an update that succeeds", func(t *testing.T, d *daemon) {
		s := d.create(t, "succeeded", 1, nil)
		d.run(t, "succeeded", 1)
		d.change(t, "succeeded", func(spec fields) { addEnv(spec, "RELEASE=2") })
		d.updated(t, "succeeded", "completed")
		order(t, s, 2)
		d.run(t, "succeeded", 2)
	}},
	{"an update that fails", func(t *testing.T, d *daemon) {
		s := d.create(t, "failed", 1, nil)
		d.run(t, "failed", 1)
		if d.failUpdates != nil {
			d.failUpdates(true)
			defer d.failUpdates(false)
		}
		d.change(t, "failed", func(spec fields) { addEnv(spec, "FAIL=1") })
		d.updated(t, "failed", "paused")
		err := s.Scale(t.Context(), 3)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || busy.RetryAfter != time.Minute || !strings.Contains(err.Error(), "an update is paused because tasks failed") {
			t.Errorf("%+v", err)
		}
		if c := capacity(t, s); c.Deploying || c.Desired != 1 {
			t.Errorf("%+v", c)
		}
	}},
	{"tasks without a node", func(t *testing.T, d *daemon) {
		s := d.create(t, "crowded", 1, func(spec fields) { spec["TaskTemplate"].(fields)["Placement"] = fields{"MaxReplicas": 2} })
		s.SetPlacing(0)
		order(t, s, 4)
		until(t, "two tasks run, and two have no node", func() bool {
			without, why := 0, ""
			for _, each := range d.tasks(t, "crowded") {
				if each.state == "pending" {
					without, why = without+1, why+each.err
				}
			}
			return without == 2 && strings.Contains(why, "no suitable node") && capacity(t, s).Pending == 2
		})
		err := s.Scale(t.Context(), 6)
		var limit *autoscale.LimitError
		if !errors.As(err, &limit) || limit.Size != 6 || limit.Limit != 2 || limit.RetryAfter != 5*time.Minute || limit.Guessed ||
			!strings.Contains(err.Error(), "2 of 4 tasks have no node: no suitable node (max replicas per node limit exceed): add a node") {
			t.Errorf("%v", err)
		}
		if c := capacity(t, s); c.Desired != 4 || !c.PendingKnown {
			t.Errorf("%+v", c)
		}
		order(t, s, 3) // a smaller size is never refused
		s.SetPlacing(time.Hour)
		order(t, s, 6)
	}},
	{"health", func(t *testing.T, d *daemon) {
		if d.boot != nil {
			d.boot(time.Hour)
		}
		s := d.create(t, "checked", 2, checked)
		if c := capacity(t, s); c.Pending != 2 || !c.PendingKnown {
			t.Errorf("while they boot: %+v", c)
		}
		if d.boot != nil {
			d.boot(0)
		}
		until(t, "they are healthy", func() bool { return capacity(t, s).Pending == 0 })
		if c := capacity(t, s); !c.PendingKnown || c.Desired != 2 {
			t.Errorf("when they are healthy: %+v", c)
		}
	}},
	{"a task that ends", func(t *testing.T, d *daemon) {
		s := d.create(t, "ended", 2, checked)
		d.run(t, "ended", 2)
		if d.boot != nil {
			d.boot(time.Hour)
			d.stop(time.Hour)
		}
		order(t, s, 1)
		until(t, "a task is to end", func() bool { return len(d.tasks(t, "ended")) == 1 })
		order(t, s, 2)
		if c := capacity(t, s); c.Pending != 1 {
			t.Errorf("a task ends and another one boots: %+v", c)
		}
	}},
	{"shapes", func(t *testing.T, d *daemon) {
		s := d.create(t, "shaped", 1, nil)
		order(t, s, 2)
		v := d.get(t, "shaped")
		for _, key := range []string{"ID", "Version", "CreatedAt", "UpdatedAt", "Spec", "PreviousSpec", "Endpoint"} {
			if v[key] == nil {
				t.Errorf("the service has no %s", key)
			}
		}
		if c := capacity(t, s); time.Since(c.Changed) > time.Minute || c.Changed.IsZero() {
			t.Errorf("changed at %v", c.Changed)
		}
		// The version must be the one that was read, and all of the spec must be sent.
		for path, want := range map[string]int{"?version=1": 500, "?version=x": 400, "": 400} {
			if got := d.call(t, "POST", "/services/shaped/update"+path, v["Spec"], nil); got != want {
				t.Errorf("update%s: %d, want %d", path, got, want)
			}
		}
		version := string(v["Version"].(fields)["Index"].(json.Number))
		spec := fields{"Name": "shaped", "Mode": fields{"Replicated": fields{"Replicas": 3}}}
		if got := d.call(t, "POST", "/services/shaped/update?version="+version, spec, nil); got != 400 {
			t.Errorf("part of a spec: %d", got)
		}
		// A deployment that gives no number sets 1.
		d.change(t, "shaped", func(spec fields) { spec["Mode"] = fields{"Replicated": fields{}} })
		if c := capacity(t, s); c.Desired != 1 {
			t.Errorf("without a number: %+v", c)
		}
	}},
}

func TestFake(t *testing.T) {
	for _, tt := range both {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := fake(t)
			tt.test(t, d)
		})
	}
}

func setLabel(spec fields, label string, on bool) {
	labels := fields{}
	if old, ok := spec["Labels"].(fields); ok {
		labels = old
	}
	delete(labels, label)
	if on {
		labels[label] = "true"
	}
	spec["Labels"] = labels
}

func addEnv(spec fields, variable string) {
	c := container(spec)
	switch env := c["Env"].(type) {
	case []string:
		c["Env"] = append(env, variable)
	case []any:
		c["Env"] = append(env, variable)
	}
}

// checked has tasks boot, be checked and end slowly.
func checked(spec fields) {
	addEnv(spec, "BOOT=10s")
	addEnv(spec, "STOP=1m")
	container(spec)["StopGracePeriod"] = int64(time.Minute)
	container(spec)["Healthcheck"] = fields{"Test": []string{"CMD", "/task", "check"}, "Interval": int64(time.Second), "Retries": 60}
}

// rich fills a spec with what may be lost on its way.
func rich(spec fields) {
	spec["Labels"] = map[string]string{"html": "<b>&amp;</b>\u2028", "empty": "", "traefik.http.routers.web.rule": "Host(`shop.example.com`) && Path(`/`)"}
	template := spec["TaskTemplate"].(fields)
	c := template["ContainerSpec"].(fields)
	c["Env"] = []string{"SECRET=hunter2=\"'<>&\\", "EMPTY=", "UNICODE=\u00e4\U0001F600", "SLOT={{.Task.Slot}}"}
	c["Labels"] = map[string]string{"a": "b"}
	c["Args"] = []string{"--flag=<x>"}
	c["StopGracePeriod"] = int64(12_345_678_901)
	c["Mounts"] = []fields{{"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": fields{"SizeBytes": 1_048_577, "Mode": 0o1777}}}
	c["Hosts"] = []string{"10.0.0.1 database"}
	c["Ulimits"] = []fields{{"Name": "nofile", "Soft": 1024, "Hard": 2049}}
	c["CapabilityDrop"] = []string{"CAP_NET_RAW"}
	template["Resources"] = fields{"Limits": fields{"NanoCPUs": 1_000_000_001, "MemoryBytes": 268_435_457, "Pids": 100}, "Reservations": fields{"MemoryBytes": 4_194_305}}
	template["RestartPolicy"] = fields{"Condition": "any", "Delay": int64(5 * time.Second), "MaxAttempts": 9_007_199_254_740_993}
	template["LogDriver"] = fields{"Name": "json-file", "Options": map[string]string{"max-size": "10m"}}
	template["ForceUpdate"] = 7
	spec["UpdateConfig"] = fields{"Parallelism": 2, "Delay": int64(3 * time.Second), "FailureAction": "rollback", "Monitor": int64(7 * time.Second), "MaxFailureRatio": 0.3, "Order": "start-first"}
	spec["RollbackConfig"] = fields{"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0.1, "Order": "stop-first"}
}

// meddled returns a Scaler in whose orders somebody else comes first.
func (d *daemon) meddled(name string, meddle func()) *swarm.Scaler {
	o := d.options
	o.Transport = transport(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			meddle()
		}
		if d.http.Transport != nil {
			return d.http.Transport.RoundTrip(req)
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	return swarm.NewClient("", &o).Scaler(name)
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
