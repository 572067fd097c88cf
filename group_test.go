package autoscale_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// TestGroup has three process types: one works, one panics, and the elector of
// one fails for good.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("the table has the wrong shape")
		good, bad := &platform{size: 1}, &platform{size: 1}
		slowly := &gauge{sample: latency(slow)}
		g := autoscale.NewGroup(
			autoscale.Config{Name: "web", Prober: slowly, Scaler: good, Logger: silent},
			autoscale.Config{Name: "worker", Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { panic("no") }), Scaler: bad, Logger: silent},
			autoscale.Config{Name: "clock", Prober: slowly, Scaler: bad, Logger: silent, Elector: failing{gone}},
		)
		if err := g.Validate(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		if err := g.Run(ctx); !errors.Is(err, gone) || !strings.Contains(err.Error(), "clock") {
			t.Errorf("Run = %v, not what ended one of them", err)
		}
		if good.size != 3 {
			t.Errorf("web is at %d: another's failure stopped it", good.size)
		}
		s := g.Status()
		if len(s) != 3 || s[0].Name != "web" || s[1].Counters.Panics == 0 || s[1].Counters.Ticks != s[0].Counters.Ticks || len(g.Members()) != 3 {
			t.Errorf("status %v", s)
		}
	})
}

type failing struct{ err error }

func (f failing) Run(context.Context) error     { return f.err }
func (failing) Current() (autoscale.Term, bool) { return autoscale.Term{}, false }

func TestGroupIsChecked(t *testing.T) {
	same := new(registry).seat("web.1")
	for _, tt := range []struct {
		group *autoscale.Group
		want  []string
	}{
		{autoscale.NewGroup(autoscale.Config{Logger: silent}, autoscale.Config{}), []string{`Config 2: its Name is "web", which another member has`, "web: ", "Prober is nil"}},
		{
			autoscale.NewGroup(autoscale.Config{Logger: silent, Elector: same}, autoscale.Config{Name: "worker", Elector: same}),
			[]string{"web and worker have the same Elector", "worker: "},
		},
	} {
		err := tt.group.Validate()
		for _, want := range tt.want {
			if !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v does not say %q", err, want)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			if err := runFor(t, tt.group.Run); !errors.Is(err, autoscale.ErrConfig) {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func ExampleNewGroup() {
	web, worker := &memory{size: 1}, &memory{size: 1}
	g := autoscale.NewGroup(
		autoscale.Config{Name: "web", Prober: measured(2 * time.Second), Scaler: web, Logger: quiet},
		autoscale.Config{Name: "worker", Prober: measured(300 * time.Millisecond), Scaler: worker, Logger: quiet},
	)
	for _, a := range g.Members() { // Run does this until its context ends
		_, _ = a.Tick(context.Background(), time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	}
	for _, s := range g.Status() {
		fmt.Println(s)
	}
	// Output:
	// web: stay at 1: latency 2s is above 1s, 1 time in a row (3 needed)
	// worker: stay at 1: latency 300ms is within 200ms to 1s
}

// named is an Elector with SetDefaultName.
type named struct {
	failing
	name *string
	err  any // an error is returned, anything else is a panic
}

func (n named) SetDefaultName(name string) error {
	*n.name = name
	if err, ok := n.err.(error); ok || n.err == nil {
		return err
	}
	panic(n.err)
}

// New names an Elector after its Config. An error of SetDefaultName is a fault of the Config.
func TestDefaultName(t *testing.T) {
	for _, tt := range []struct {
		err  any
		want string
	}{
		{nil, ""},
		{errors.New("taken"), "Elector: taken"},
		{"boom", "boom"},
	} {
		var name string
		g := autoscale.NewGroup(autoscale.Config{Name: "worker", Prober: &gauge{}, Scaler: &platform{}, Logger: silent, Elector: named{name: &name, err: tt.err}})
		err := g.Validate()
		if name != "worker" || (err != nil) != (tt.want != "") || err != nil && (!errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("it was named %q: %v, want %q", name, err, tt.want)
		}
		if _, terr := g.Members()[0].Tick(t.Context(), start); err != nil && !errors.Is(terr, autoscale.ErrConfig) {
			t.Errorf("Tick: %v", terr)
		}
	}
}

func ExampleGroup_Add() {
	var g autoscale.Group
	go g.Run(context.Background())

	web, err := g.Add(autoscale.Config{Name: "web", Prober: measured(2 * time.Second), Scaler: &memory{size: 1}, Logger: quiet})
	fmt.Println(web.Name(), err)
	fmt.Println(g.Remove(context.Background(), "web"))
	fmt.Println(len(g.Members()))
	// Output:
	// web <nil>
	// <nil>
	// 0
}
