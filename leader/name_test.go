package leader_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
)

// config is what an Autoscaler needs besides its Elector.
func config(name string, e autoscale.Elector) autoscale.Config {
	return autoscale.Config{
		Name: name, Elector: e, Logger: quiet,
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 500 * time.Millisecond}, nil
		}),
		Scaler: one{},
	}
}

// one is a Scaler of one process.
type one struct{}

func (one) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 1}, nil
}
func (one) Scale(context.Context, int) error { return nil }

// The lease is called after the application and the Autoscaler, unless it has a name.
func TestNameOfTheLease(t *testing.T) {
	for name, tt := range map[string]struct {
		heroku, fly string
		opts        *leader.Options
		want        string
	}{
		"no app":      {"", "", nil, "worker"},
		"Heroku":      {"quiet-river", "", nil, "quiet-river/worker"},
		"Fly":         {"", "still-sea", &leader.Options{}, "still-sea/worker"},
		"given app":   {"quiet-river", "still-sea", &leader.Options{App: "shop"}, "shop/worker"},
		"given name":  {"quiet-river", "", &leader.Options{Name: "all"}, "all"},
		"both, Fly's": {"quiet-river", "still-sea", nil, "quiet-river/worker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HEROKU_APP_NAME", tt.heroku)
			t.Setenv("FLY_APP_NAME", tt.fly)
			s := newFakeStore()
			e := leader.New(&fakeLink{fakeStore: s}, tt.opts)
			a := autoscale.New(config("worker", e))
			// An Autoscaler that has not run yet can be paused.
			if err := a.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, ok := s.rows[tt.want]; !ok || len(s.rows) != 1 {
				t.Errorf("the leases are %v, want %q", s.rows, tt.want)
			}
			// Another Autoscaler of the same Name may be made with the same Elector.
			if err := e.SetDefaultName("worker"); err != nil {
				t.Error(err)
			}
			err := e.SetDefaultName("web")
			if err == nil || !strings.Contains(err.Error(), `"worker" and "web" have the same Elector`) {
				t.Errorf("SetDefaultName of another: %v", err)
			}
		})
	}
}

// On a platform that names the application, two of them on one store have leases of their own.
func TestAppOfThePlatform(t *testing.T) {
	t.Setenv("HEROKU_APP_NAME", "")
	t.Setenv("FLY_APP_NAME", "")
	s := newFakeStore()
	for _, app := range []string{"srv-a", "srv-b"} {
		t.Setenv("RENDER_SERVICE_ID", app)
		e := leader.New(&fakeLink{fakeStore: s}, &leader.Options{Logger: quiet})
		if err := e.SetDefaultName("web"); err != nil {
			t.Fatal(err)
		}
		if err := e.Command(t.Context(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.rows[app+"/web"]; !ok {
			t.Errorf("the leases are %v", s.rows)
		}
	}
}

// Applications and process types whose names together look alike have leases of their own.
func TestNoTwoHaveOneLease(t *testing.T) {
	t.Setenv("HEROKU_APP_NAME", "")
	t.Setenv("FLY_APP_NAME", "")
	s := newFakeStore()
	want := 0
	for _, pair := range [][2]string{
		{"a/b", "c"},
		{"a", "b/c"},
		{"a%2Fb", "c"},
		{"a", "b%2Fc"},
		{"", "a/b/c"},
		{"", "a%2Fb%2Fc"},
		{"a", "b"},
		{"", "a/b"},
		{"", "a%2Fb"},
		{"a/", "b"},
		{"a", "/b"},
		{"a//", "b"},
		{"A", "b"},
		{"a", "B"},
		{"a ", "b"},
		{"a", " b"},
		{"a", "b "},
		{"é", "b"},
		{"e\u0301", "b"},
		{"%", "b"},
		{"%25", "b"},
		{"a\\", "b"},
		{"a'", "b"},
		{"a\"", "b"},
		{"a:b", "c"},
		{"a", "b:c"},
		{"{a}", "b"},
		{"*", "b"},
		{"a", "b?"},
		{strings.Repeat("a", 100), strings.Repeat("b", 99)},
		{strings.Repeat("a", 99), strings.Repeat("b", 99)},
	} {
		e := leader.New(&fakeLink{fakeStore: s}, &leader.Options{App: pair[0], Logger: quiet})
		if err := e.SetDefaultName(pair[1]); err != nil {
			t.Fatalf("%q: %v", pair, err)
		}
		if err := e.Command(t.Context(), []byte(pair[0]+"\n"+pair[1])); err != nil {
			t.Fatalf("%q: %v", pair, err)
		}
		if want++; len(s.rows) != want {
			t.Errorf("%q has the lease of another", pair)
			want = len(s.rows)
		}
	}
}

// Before its name is known an Elector leads nothing and writes nothing.
func TestNoName(t *testing.T) {
	s := newFakeStore()
	e := leader.New(&fakeLink{fakeStore: s}, nil)
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	_, leads := e.Current()
	_, known := e.Record()
	e.Resign(time.Second)
	errs := map[string]error{"Run": e.Run(t.Context()), "Save": e.Save(t.Context(), 1, nil), "Command": e.Command(t.Context(), nil)}
	for method, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "no name yet") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if leads || known || !errors.Is(errs["Save"], autoscale.ErrNotLeader) || len(s.calls) != 0 {
		t.Errorf("leads %v, known %v, Save %v, calls %v", leads, known, errs["Save"], s.calls)
	}
}

// What is wrong with a default name is a fault of the Config.
func TestBadNames(t *testing.T) {
	t.Setenv("HEROKU_APP_NAME", "")
	t.Setenv("FLY_APP_NAME", "")
	shared := leader.New(&fakeLink{fakeStore: newFakeStore()}, nil)
	for name, tt := range map[string]struct {
		a    []*autoscale.Autoscaler // the last one is refused
		want string
	}{
		"unprintable": {[]*autoscale.Autoscaler{autoscale.New(config("a\x00", leader.New(&fakeLink{}, nil)))}, `called "a\x00"`},
		"long":        {[]*autoscale.Autoscaler{autoscale.New(config(strings.Repeat("x", 150), leader.New(&fakeLink{}, &leader.Options{App: strings.Repeat("y", 50)})))}, "200 bytes"},
		"shared":      {[]*autoscale.Autoscaler{autoscale.New(config("web", shared)), autoscale.New(config("worker", shared))}, `"web" and "worker" have the same Elector`},
		"not made":    {[]*autoscale.Autoscaler{autoscale.New(config("web", new(leader.Elector)))}, "was not made"},
		"nil":         {[]*autoscale.Autoscaler{autoscale.New(config("web", (*leader.Elector)(nil)))}, "nil *leader.Elector"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.a[len(tt.a)-1].Tick(t.Context(), time.Now())
			if !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "leader: ") > 1 {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	g := autoscale.NewGroup(config("web", leader.SQL(new(sql.DB), nil)), config("a\x00", leader.SQL(new(sql.DB), nil)))
	if err := g.Validate(); !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), `called "a\x00"`) {
		t.Errorf("a Group: %v", err)
	}
}

// Two Autoscalers of a process that campaign for one lease are a mistake, which is said.
// When the first has ended, another may take its place.
func TestOneLeaseForTwo(t *testing.T) {
	link := &fakeLink{fakeStore: newFakeStore()}
	other := &fakeLink{fakeStore: newFakeStore()}
	for name, tt := range map[string]struct{ one, two leader.Lease }{
		"the same":                     {link, link},
		"wrapped once":                 {link, &loggedLease{link}},
		"wrapped twice":                {&loggedLease{link}, &loggedLease{link}},
		"a store that says so":         {storedLease{link}, storedLease{other}},
		"a store that says so, hidden": {storedLease{link}, &loggedLease{storedLease{other}}},
	} {
		t.Run(name, func(t *testing.T) { oneLeaseForTwo(t, tt.one, tt.two) })
	}
}

// loggedLease wraps a Lease as hosts do, to log its calls.
type loggedLease struct{ leader.Lease }

// storedLease is one of several Leases on one store.
type storedLease struct{ *fakeLink }

func (storedLease) Store() any { return "the store" }

func oneLeaseForTwo(t *testing.T, one, two leader.Lease) {
	synctest.Test(t, func(t *testing.T) {
		web := autoscale.New(config("web", leader.New(one, &leader.Options{Name: "all", Logger: quiet})))
		worker := autoscale.New(config("worker", leader.New(two, &leader.Options{Name: "all", Logger: quiet})))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- web.Run(ctx) }()
		synctest.Wait()
		soon, end := context.WithTimeout(t.Context(), time.Second)
		err := worker.Run(soon)
		end()
		if err == nil || !strings.Contains(err.Error(), `"web" and "worker" of this process have the same lease, "all"`) {
			t.Errorf("the second: %v", err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, stop = context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := worker.Run(ctx); err != nil {
			t.Errorf("after the first has ended: %v", err)
		}
	})
}

// The Autoscalers of web and worker each have a lease without being told to.
func TestGroupWithoutNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		opts := &leader.Options{App: "shop", Logger: quiet}
		g := autoscale.NewGroup(
			config("web", leader.New(&fakeLink{fakeStore: s}, opts)),
			config("worker", leader.New(&fakeLink{fakeStore: s}, opts)),
		)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		for _, status := range g.Status() {
			if !status.Leading {
				t.Errorf("%s does not lead", status.Name)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		var names []string
		for name := range s.rows {
			if !strings.HasSuffix(name, "\x1fhistory") {
				names = append(names, name)
			}
		}
		if slices.Sort(names); !slices.Equal(names, []string{"shop/web", "shop/worker"}) {
			t.Errorf("the leases are %q", names)
		}
	})
}
