package swarm_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
	"github.com/autoscalebot/autoscale/platform/swarm/swarmtest"
)

const image = "autoscale-task:1"

// A daemon is a manager of a swarm: the fake, or a real one.
type daemon struct {
	http        *http.Client
	base        string
	options     platform.Options
	failUpdates func(bool)          // nil: a task whose environment has FAIL fails
	boot, stop  func(time.Duration) // nil: a task obeys BOOT and STOP
}

func fake(t *testing.T) (*daemon, *swarmtest.Server) {
	s := swarmtest.NewServer()
	t.Cleanup(s.Close)
	return &daemon{
		http: http.DefaultClient, base: s.URL, options: platform.Options{BaseURL: s.URL, CallsPerHour: 1_000_000},
		failUpdates: s.FailUpdates, boot: s.SetBoot, stop: s.SetStop,
	}, s
}

// call makes a call of the API, and returns its status.
func (d *daemon) call(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, d.base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return d.do(t, req, out)
}

func (d *daemon) do(t *testing.T, req *http.Request, out any) int {
	t.Helper()
	res, err := d.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode/100 != 2 {
		t.Logf("%s %s: %d %s", req.Method, req.URL.Path, res.StatusCode, text)
	} else if out != nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(out); err != nil {
			t.Fatalf("%s %s: %v: %s", req.Method, req.URL.Path, err, text)
		}
	}
	return res.StatusCode
}

type fields = map[string]any

// create creates a service, which is removed when the test has ended, and returns its
// Scaler. change may change the spec before.
func (d *daemon) create(t *testing.T, name string, replicas int, change func(spec fields)) *swarm.Scaler {
	t.Helper()
	spec := fields{
		"Name": name,
		"TaskTemplate": fields{
			"ContainerSpec": fields{"Image": image, "Env": []string{"TASK_SLOT={{.Task.Slot}}", "TASK_ID={{.Task.ID}}", "SWARM_SERVICE={{.Service.Name}}"}},
			"Networks":      []fields{{"Target": "host"}},
		},
		"Mode":         fields{"Replicated": fields{"Replicas": replicas}},
		"UpdateConfig": fields{"Parallelism": 1, "Monitor": int64(2 * time.Second), "FailureAction": "pause"},
	}
	if change != nil {
		change(spec)
	}
	if status := d.call(t, "POST", "/services/create", spec, nil); status != 201 {
		t.Fatalf("create %s: %d", name, status)
	}
	t.Cleanup(func() {
		req, _ := http.NewRequest("DELETE", d.base+"/services/"+name, nil)
		if res, err := d.http.Do(req); err == nil {
			res.Body.Close()
		}
	})
	o := d.options
	c := swarm.NewClient("", &o)
	t.Cleanup(c.CloseIdleConnections)
	return c.Scaler(name)
}

// get returns a service.
func (d *daemon) get(t *testing.T, name string) (v fields) {
	t.Helper()
	if status := d.call(t, "GET", "/services/"+name, nil, &v); status != 200 {
		t.Fatalf("read %s: %d", name, status)
	}
	return v
}

// change changes the spec of a service, as a deployment does.
func (d *daemon) change(t *testing.T, name string, f func(spec fields)) {
	t.Helper()
	for range 20 {
		v := d.get(t, name)
		spec := v["Spec"].(fields)
		f(spec)
		version := v["Version"].(fields)["Index"].(json.Number)
		if d.call(t, "POST", "/services/"+name+"/update?version="+string(version), spec, nil) == 200 {
			return
		}
	}
	t.Fatalf("%s could not be changed", name)
}

func container(spec fields) fields { return spec["TaskTemplate"].(fields)["ContainerSpec"].(fields) }

func setReplicas(n int) func(fields) {
	return func(spec fields) { spec["Mode"] = fields{"Replicated": fields{"Replicas": n}} }
}

// A taskInfo is a task that is to run.
type taskInfo struct {
	id, state string
	err       string
	pid       int
}

// tasks returns the tasks that are to run, by their slots.
func (d *daemon) tasks(t *testing.T, name string) map[int]taskInfo {
	t.Helper()
	filters, _ := json.Marshal(map[string]map[string]bool{"service": {name: true}, "desired-state": {"running": true}})
	var list []struct {
		ID     string
		Slot   int
		Status struct {
			State, Err      string
			ContainerStatus struct{ PID int }
		}
	}
	if status := d.call(t, "GET", "/tasks?"+url.Values{"filters": {string(filters)}}.Encode(), nil, &list); status != 200 {
		t.Fatalf("tasks of %s: %d", name, status)
	}
	out := make(map[int]taskInfo)
	for _, l := range list {
		out[l.Slot] = taskInfo{l.ID, l.Status.State, l.Status.Err, l.Status.ContainerStatus.PID}
	}
	return out
}

// run waits until exactly so many tasks of a service are to run, and run.
func (d *daemon) run(t *testing.T, name string, n int) (tasks map[int]taskInfo) {
	t.Helper()
	until(t, "the tasks run", func() bool {
		tasks = d.tasks(t, name)
		for _, each := range tasks {
			if each.state != "running" {
				return false
			}
		}
		return len(tasks) == n
	})
	return tasks
}

// updated waits until the last update of a service has a state.
func (d *daemon) updated(t *testing.T, name, state string) {
	t.Helper()
	until(t, "the update is "+state, func() bool {
		u, _ := d.get(t, name)["UpdateStatus"].(fields)
		return u["State"] == state
	})
}

// until waits for something that a server does by itself.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(2 * time.Minute); !f(); {
		select {
		case <-ticker.C:
		case <-patience:
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

func capacity(t *testing.T, s autoscale.Scaler) autoscale.Capacity {
	t.Helper()
	c, err := s.Capacity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func order(t *testing.T, s autoscale.Scaler, size int) {
	t.Helper()
	if err := s.Scale(t.Context(), size); err != nil {
		t.Fatalf("Scale(%d): %v", size, err)
	}
}

func slots(tasks map[int]taskInfo) (list []int) {
	for slot := range tasks {
		list = append(list, slot)
	}
	slices.Sort(list)
	return list
}
