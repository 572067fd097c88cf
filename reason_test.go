package autoscale_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

type listed []string // cannot be compared

func (l listed) String() string { return strings.Join(l, " and ") }

type panicking struct{}

func (panicking) String() string { panic("no words") }

func TestReason(t *testing.T) {
	for _, tt := range []struct {
		reason autoscale.Reason
		text   string
		json   string
	}{
		{autoscale.Reason{}, "no reason given", `{}`},
		{autoscale.Reason{Code: autoscale.ReasonUnmeasured}, "nothing was measured", `{"code":"unmeasured","text":"nothing was measured"}`},
		{autoscale.Reason{Code: autoscale.ReasonWarmingUp}, "the prober is warming up", `{"code":"warming_up","text":"the prober is warming up"}`},
		{autoscale.Reason{Code: autoscale.ReasonOutside}, "the size is outside the bounds", `{"code":"outside","text":"the size is outside the bounds"}`},
		{autoscale.Reason{Code: autoscale.ReasonOverride}, "somebody set the size", `{"code":"override","text":"somebody set the size"}`},
		{autoscale.Reason{Code: "mine"}, "mine", `{"code":"mine","text":"mine"}`},
		{autoscale.Reason{Code: "mine", Detail: autoscale.ReasonText("because")}, "because", `{"code":"mine","text":"because"}`},
		{autoscale.Reason{Detail: autoscale.ReasonText("because")}, "because", `{"text":"because"}`},
		{autoscale.Reason{Code: "mine", Detail: listed{"this", "that"}}, "this and that", `{"code":"mine","text":"this and that"}`},
		{autoscale.Reason{Code: "mine", Detail: panicking{}}, "%!v(PANIC=String method: no words)", `{"code":"mine","text":"%!v(PANIC=String method: no words)"}`},
	} {
		if got := tt.reason.String(); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
		data, err := json.Marshal(tt.reason)
		if err != nil || string(data) != tt.json {
			t.Errorf("got %s, %v; want %s", data, err, tt.json)
		}
		var back autoscale.Reason
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if back.Code != tt.reason.Code || back.String() != tt.text || back.IsZero() != tt.reason.IsZero() {
			t.Errorf("%s became %q, %q", data, back.Code, back)
		}
	}
	var r autoscale.Reason
	if err := json.Unmarshal([]byte(`{"code":3}`), &r); err == nil {
		t.Error("a number is no code, and was read as one")
	}
}

// A Detail of any type works in every notification, Status and saved state.
func TestReasonOfAnyType(t *testing.T) {
	for _, detail := range []fmt.Stringer{listed{"this", "that"}, panicking{}, (*listed)(nil)} {
		r := newRig(t, func(c *autoscale.Config) {
			c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				return autoscale.Decision{Act: true, Size: o.Capacity.Desired + 1, Reason: autoscale.Reason{Code: "mine", Detail: detail}}
			})
		})
		if got := r.ticks(1); len(got) != 1 {
			t.Fatalf("%T: ordered %v", detail, got)
		}
		s := r.a.Status()
		if _, err := json.Marshal(s); err != nil || s.Last.Decision.Reason.Code != "mine" {
			t.Errorf("%T: %v, %+v", detail, err, s.Last.Decision)
		}
	}
}

// A process that does not lead shows the leader's reasons word for word.
func TestReasonsAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("é", 300)
		for _, tt := range []struct {
			rule autoscale.Decider
			want string
		}{
			{autoscale.Consecutive{}, "latency 2s is above 1s, 1 time in a row (3 needed)"},
			{autoscale.Highest(autoscale.Consecutive{UpAfter: 7}, rule.Average{}), "latency 2s is above 1s, 1 time in a row (7 needed)"},
			{autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
				return autoscale.Decision{Reason: autoscale.Reason{Code: "mine", Detail: autoscale.ReasonText(long)}}
			}), strings.Repeat("é", 100) + "…"},
		} {
			a, b, sa, _, _ := two(t, func(c *autoscale.Config) { c.Decider = tt.rule })
			sa.lead()
			a.gauge.latency(slow)
			if _, err := a.pass(); err != nil {
				t.Fatal(err)
			}
			if _, err := b.pass(); !errors.Is(err, autoscale.ErrNotLeader) {
				t.Fatalf("the other leads too: %v", err)
			}
			led, followed := a.a.Status(), b.a.Status()
			if got := followed.Last.Decision.Reason; got.String() != tt.want || got.Code != led.Last.Decision.Reason.Code {
				t.Errorf("got %q, %q; want %q, %q", got.Code, got, led.Last.Decision.Reason.Code, tt.want)
			}
			for i, w := range led.Last.Rules {
				if got := followed.Last.Rules[i].Reason; got.String() != w.Reason.String() || got.Code != w.Reason.Code {
					t.Errorf("%s: got %q, %q; want %q, %q", w.Rule, got.Code, got, w.Reason.Code, w.Reason)
				}
			}
		}
	})
}

func ExampleReasonText() {
	r := autoscale.Reason{Code: "payday", Detail: autoscale.ReasonText("salaries are paid today")}
	fmt.Println(r)
	// Output: salaries are paid today
}
