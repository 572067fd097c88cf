package clienttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	flygo "github.com/superfly/fly-go"
	"github.com/superfly/fly-go/flaps"
	"github.com/superfly/fly-go/tokens"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// strictly decodes all of a text into one of fly-go's types.
func strictly(t *testing.T, text string, out any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		t.Errorf("%T: %v: %s", out, err, text)
	}
}

// flyctls returns fly-go's own client of the API, which flyctl uses.
func flyctls(t *testing.T, url string, transport http.RoundTripper) *flaps.Client {
	t.Helper()
	t.Setenv("FLY_FLAPS_BASE_URL", url)
	c, err := flaps.NewWithOptions(t.Context(), flaps.NewClientOpts{AppName: flytest.App, Tokens: tokens.Parse(flytest.Token), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answers keeps the bodies of a fake's answers.
type answers struct {
	next http.RoundTripper
	last string
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := a.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	res.Body.Close()
	res.Body, a.last = http.NoBody, b.String()
	rec := httptest.NewRecorder()
	rec.Code = res.StatusCode
	_, _ = rec.Write(b.Bytes())
	return rec.Result(), nil
}

// The fake answers fly-go as it answers ours, in fly-go's types and no others, and the
// requests of both are the same.
func TestFlyIsFlyGos(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	fill := func() {
		s.Change(func(*flytest.Machine) bool { return false })
		s.Add(flytest.Machine{ID: "e2865a", Group: "web", Checks: []string{"passing"}, Config: map[string]any{"env": map[string]string{"A": "b"}}})
		s.Add(flytest.Machine{ID: "e2865b", Group: "web", State: "stopped"})
		s.Add(flytest.Machine{ID: "e2865c", Group: "worker", Host: "unreachable"})
	}
	ours, theirs := &recorder{to: s.URL}, &recorder{to: s.URL}

	fill()
	web := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: ours}).Scaler(flytest.App, "web")
	for _, size := range []int{3, 2} { // list, start, uncordon, create; list, cordon, stop
		if err := web.Scale(t.Context(), size); err != nil {
			t.Fatal(err)
		}
	}

	fill()
	heard := &answers{next: theirs}
	client := flyctls(t, s.URL, heard)
	list, err := client.List(t.Context(), "")
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	strictly(t, heard.last, &[]*flygo.Machine{})
	for i, m := range list {
		_, created := time.Parse(time.RFC3339, m.CreatedAt)
		if m.HostStatus == "" || m.Region == "" || m.FullImageRef() == "" || created != nil || m.GetConfig() == nil || len(m.Events) == 0 || (m.Config == nil) != (i == 2) {
			t.Errorf("%+v", m)
		}
	}
	if list[0].ProcessGroup() != "web" || list[2].ProcessGroup() != "worker" || list[0].State != flygo.MachineStateStarted || list[1].State != flygo.MachineStateStopped ||
		list[0].AllHealthChecks().Passing != 1 || list[2].HostStatus != flygo.HostStatusUnreachable || !list[0].IsAppsV2() {
		t.Errorf("%+v", list)
	}
	started, err := client.Start(t.Context(), "e2865b", "")
	if err != nil || started.PreviousState != flygo.MachineStateStopped {
		t.Errorf("%+v, %v", started, err)
	}
	strictly(t, heard.last, &flygo.MachineStartResponse{})
	if err := client.Uncordon(t.Context(), "e2865b", ""); err != nil {
		t.Error(err)
	}
	config := *list[0].Config
	config.Image = list[0].FullImageRef()
	made, err := client.Launch(t.Context(), flygo.LaunchMachineInput{Name: "autoscale-web-1", Region: "ams", Config: &config})
	if err != nil || made.ID == "" || made.Name != "autoscale-web-1" {
		t.Errorf("%+v, %v", made, err)
	}
	strictly(t, heard.last, &flygo.Machine{})
	_, err1 := client.List(t.Context(), "")
	stopped := ours.requests[len(ours.requests)-1].URL.Path
	id := strings.TrimSuffix(stopped[strings.LastIndex(strings.TrimSuffix(stopped, "/stop"), "/")+1:], "/stop")
	err2 := client.Cordon(t.Context(), id, "")
	err3 := client.Stop(t.Context(), flygo.StopMachineInput{ID: id}, "")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Error(err)
	}

	if len(ours.requests) != 7 || len(theirs.requests) != 7 {
		t.Fatalf("%d and %d requests", len(ours.requests), len(theirs.requests))
	}
	for i, our := range ours.requests {
		their := theirs.requests[i]
		if our.Method != their.Method || our.URL.Path != their.URL.Path || our.Header.Get("Authorization") != their.Header.Get("Authorization") {
			t.Errorf("ours is %s %s, theirs is %s %s", our.Method, our.URL, their.Method, their.URL)
		}
	}
	var our, their flygo.LaunchMachineInput
	strictly(t, ours.bodies[3], &our)
	strictly(t, theirs.bodies[3], &their)
	if !reflect.DeepEqual(our, their) {
		t.Errorf("ours is %s, theirs is %s", ours.bodies[3], theirs.bodies[3])
	}
	strictly(t, ours.bodies[6], &flygo.StopMachineInput{})
}

// set fills a value of any of fly-go's types, so that no field of it is empty.
func set(v reflect.Value, depth int) {
	switch v.Type() {
	case reflect.TypeFor[flygo.Duration]():
		v.Set(reflect.ValueOf(flygo.Duration{Duration: 90 * time.Second}))
		return
	case reflect.TypeFor[flygo.MachineAutostop](), reflect.TypeFor[[]flygo.MachineMount]():
		return // these decide what is done
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 8 {
			v.Set(reflect.New(v.Type().Elem()))
			set(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				set(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		if depth < 8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			set(v.Index(0), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(key, depth+1)
		if value.Kind() == reflect.Interface {
			value.Set(reflect.ValueOf("any"))
		} else {
			set(value, depth+1)
		}
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	}
}

// A clone has every field that fly-go knows of a machine's configuration, unchanged but for
// the image, which is named by its digest.
func TestFlyClonesTheWholeConfig(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	var machine flygo.Machine
	machine.Config = &flygo.MachineConfig{}
	set(reflect.ValueOf(machine.Config).Elem(), 0)
	machine.Config.Schedule, machine.Config.AutoDestroy, machine.Config.Standbys = "", false, nil // of such there are no clones
	machine.Config.Metadata = map[string]string{"fly_process_group": "web", "fly_release_version": "3"}
	machine.ID, machine.Name, machine.State, machine.Region, machine.HostStatus = "e2865a", "aged-wind-1", flygo.MachineStateStarted, "ams", flygo.HostStatusOk
	machine.ImageRef = flygo.MachineImageRef{Registry: "registry.fly.io", Repository: "shop", Tag: "deployment-3", Digest: "sha256:597c"}
	text, err := json.Marshal([]flygo.Machine{machine})
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(platformtest.Fault{Method: "GET", Status: 200, Body: string(text), Times: -1})
	ours := &recorder{to: s.URL}
	web := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: ours}).Scaler(flytest.App, "web")
	if err := web.Scale(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var launch flygo.LaunchMachineInput
	strictly(t, ours.bodies[len(ours.bodies)-1], &launch)
	want := *machine.Config
	want.Image = machine.FullImageRef()
	got, _ := json.Marshal(launch.Config)
	text, _ = json.Marshal(want)
	if string(got) != string(text) || launch.Name != "autoscale-web-1" || launch.Region != "ams" {
		t.Errorf("got %s\nwant %s", got, text)
	}
}

// What fly-go says of a machine is what Capacity makes of it.
func TestFlyReadsFlyGosMachines(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	at := time.Date(2026, 11, 27, 1, 2, 3, 0, time.UTC)
	machine := func(change func(m *flygo.Machine)) flygo.Machine {
		m := flygo.Machine{
			ID: "e2865a", Name: "aged-wind-1", State: flygo.MachineStateStarted, Region: "ams", HostStatus: flygo.HostStatusOk,
			Config:    &flygo.MachineConfig{Metadata: map[string]string{flygo.MachineConfigMetadataKeyFlyProcessGroup: "web"}},
			CreatedAt: at.Format(time.RFC3339), UpdatedAt: at.Format(time.RFC3339),
			Checks: []*flygo.MachineCheckStatus{{Name: "servicecheck-00-http-8080", Status: flygo.Passing}},
			Events: []*flygo.MachineEvent{{Type: "start", Source: "user", Timestamp: at.UnixMilli()}, {Type: "exit", Source: "flyd", Timestamp: at.Add(time.Hour).UnixMilli()}},
		}
		change(&m)
		return m
	}
	proxied := func(stop flygo.MachineAutostop, start bool) func(*flygo.Machine) {
		return func(m *flygo.Machine) {
			m.Config.Services = []flygo.MachineService{{Autostop: &stop, Autostart: &start}}
		}
	}
	for name, tt := range map[string]struct {
		change  func(*flygo.Machine)
		desired int // -1: an error
		pending int
		rival   string
	}{
		"started":       {func(*flygo.Machine) {}, 1, 0, ""},
		"warning":       {func(m *flygo.Machine) { m.Checks[0].Status = flygo.Warning }, 1, 1, ""},
		"critical":      {func(m *flygo.Machine) { m.Checks[0].Status = flygo.Critical }, 1, 1, ""},
		"stopped":       {func(m *flygo.Machine) { m.State = flygo.MachineStateStopped }, 0, 0, ""},
		"suspended":     {func(m *flygo.Machine) { m.State = flygo.MachineStateSuspended }, 0, 0, ""},
		"destroyed":     {func(m *flygo.Machine) { m.State = flygo.MachineStateDestroyed }, 0, 0, ""},
		"old group":     {func(m *flygo.Machine) { m.Config.Metadata = map[string]string{"process_group": "web"} }, 1, 0, ""},
		"another group": {func(m *flygo.Machine) { m.Config.Metadata["fly_process_group"] = "worker" }, -1, 0, ""},
		"a job":         {func(m *flygo.Machine) { m.Config.Schedule = "hourly" }, -1, 0, ""},
		"unreachable": {func(m *flygo.Machine) {
			m.HostStatus, m.Config, m.IncompleteConfig = flygo.HostStatusUnreachable, nil, m.Config
		}, 1, 1, ""},
		"neither":         {proxied(flygo.MachineAutostopOff, false), 1, 0, ""},
		"autostop":        {proxied(flygo.MachineAutostopStop, false), 1, 0, "Fly Proxy autostop"},
		"suspend":         {proxied(flygo.MachineAutostopSuspend, false), 1, 0, "Fly Proxy autostop"},
		"autostart alone": {proxied(flygo.MachineAutostopOff, true), 1, 0, "Fly Proxy autostart"},
	} {
		text, err := json.Marshal([]flygo.Machine{machine(tt.change)})
		if err != nil {
			t.Fatal(err)
		}
		s.Inject(platformtest.Fault{Method: "GET", Status: 200, Body: string(text)})
		client := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
		c, err := client.Scaler(flytest.App, "web").Capacity(t.Context())
		rival, _, _ := strings.Cut(c.ExternalAutoscaler, ",")
		if (err != nil) != (tt.desired < 0) || err == nil && (c.Desired != tt.desired || c.Pending != tt.pending || rival != tt.rival || !c.Changed.Equal(at)) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// A token is presented as fly-go presents it.
func TestFlyTokens(t *testing.T) {
	for _, token := range []string{"fm2_lJPE", "FlyV1 fm2_lJPE", "fm2_lJPE,fm2_lJPF", "FlyV1 fm2_lJPE,fm1a_xyz,fm1r_xyz", "fm1r_abc,fm1a_abc", "0b1c2d", "fo1_abc", "Bearer fo1_abc", "Bearer fm2_abc", " FlyV1 fm2_lJPE ", "fm2_lJPE,fo1_abc"} {
		r := &recorder{}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _ = fly.NewClient(token, &platform.Options{Transport: r}).Scaler("shop", "web").Capacity(ctx)
		cancel()
		want := tokens.Parse(strings.TrimSpace(token)).FlapsHeader()
		if len(r.requests) == 0 || r.requests[0].Header.Get("Authorization") != want || r.requests[0].URL.Host != "api.machines.dev" {
			t.Errorf("%q: theirs is %q, ours %v", token, want, r.requests)
		}
	}
}

// Refusals of the fake are those that fly-go knows, and have the meaning that it gives them.
func TestFlyRefusals(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web"})
	client := flyctls(t, s.URL, s.Transport())
	for _, tt := range []struct {
		fault  platformtest.Fault
		status int
		code   string
		busy   bool
	}{
		{platformtest.Fault{Method: "POST", Status: 422, Body: `{"error":"no capacity in ams","status":"insufficient_capacity"}`}, 422, "insufficient_capacity", true},
		{platformtest.Fault{Method: "POST", Status: 409, Body: `{"error":"aborted: lease currently held"}`}, 409, "", true},
		{platformtest.Fault{Method: "POST", Status: 422, Body: `{"error":"validation failed","status":"unknown"}`}, 422, "unknown", false},
	} {
		s.ClearFaults()
		tt.fault.Times = -1
		s.Inject(tt.fault)
		_, err := client.Launch(t.Context(), flygo.LaunchMachineInput{Config: &flygo.MachineConfig{Image: "x"}})
		var theirs *flaps.FlapsError
		if !errors.As(err, &theirs) || theirs.ResponseStatusCode != tt.status || string(*theirs.StatusCode()) != tt.code || (theirs.Suggestion() != "") != (tt.code == "insufficient_capacity") {
			t.Errorf("%+v: theirs is %v", tt.fault, err)
		}
		err = fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler(flytest.App, "web").Scale(t.Context(), 2)
		var ours *platform.Error
		var busy *autoscale.BusyError
		if !errors.As(err, &ours) || ours.Status != tt.status || errors.As(err, &busy) != tt.busy || !strings.Contains(theirs.Error(), ours.Message) {
			t.Errorf("%+v: ours is %v", tt.fault, err)
		}
	}
}
