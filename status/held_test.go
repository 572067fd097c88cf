package status_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

// raw is a time in UTC that no script can show in the zone of the viewer.
var raw = regexp.MustCompile(`[^"]\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// The page says when something can happen next while a person holds the size, and shows every
// time in the zone of the viewer.
func TestHeld(t *testing.T) {
	end := time.Now().Add(2 * time.Hour)
	at := end.UTC().Format("2 Jan 15:04:05 UTC") + "</time>"
	for _, tt := range []struct {
		name    string
		command func(context.Context, *autoscale.Autoscaler) error
		want    []string
	}{
		{"pause until", func(ctx context.Context, a *autoscale.Autoscaler) error { return a.PauseUntil(ctx, end) }, []string{
			"but the autoscaler is paused until <time", "<dt>may add from</dt><dd><time", "<dt>may remove from</dt><dd><time", at + " (by ada)",
		}},
		{"pause", func(ctx context.Context, a *autoscale.Autoscaler) error { return a.Pause(ctx) }, []string{
			"<dt>may change</dt><dd>not until somebody resumes", "paused since <time",
		}},
		{"override", func(ctx context.Context, a *autoscale.Autoscaler) error { return a.Override(ctx, 2, end) }, []string{
			"stay at 2, because somebody set the size until <time", "<dt>may add from</dt><dd><time", at + " (by ada)", "instead of ",
		}},
		{"resume", func(ctx context.Context, a *autoscale.Autoscaler) error { return a.Resume(ctx) }, []string{"The last command: resumed at <time"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := autoscale.New(config(&service{size: 2}))
			if err := tt.command(autoscale.WithActor(t.Context(), "ada"), a); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Tick(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			body := get(t, status.Handler(a, &status.Options{Token: token, Logger: quiet}), "/").Body.String()
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("the page does not contain %q", want)
				}
			}
			if found := raw.FindString(body); found != "" {
				t.Errorf("a time is not shown in the zone of the viewer: %s", found)
			}
			if t.Failed() {
				t.Log(body[strings.Index(body, "<main"):])
			}
		})
	}
}

// A condition ends when it was not seen for five minutes. Until then the page says when it was
// seen, as what it says may no longer be so.
func TestConditionLastSeen(t *testing.T) {
	s := &service{size: 8}
	a := autoscale.New(config(s))
	now := time.Now()
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	for _, tt := range []struct {
		at   time.Duration // after now
		left time.Duration // until the load is highest
		want bool
	}{{0, 0, false}, {time.Minute, 12 * time.Hour, true}} {
		s.left = tt.left
		if _, err := a.Tick(t.Context(), now.Add(tt.at)); err != nil {
			t.Fatal(err)
		}
		body := get(t, page, "/").Body.String()
		if !strings.Contains(body, "at the maximum of 8 processes") || strings.Contains(body, ", last seen <time datetime=\""+now.UTC().Format(time.RFC3339)) != tt.want {
			t.Errorf("after %v: last seen %t, want %t\n%s", tt.at, !tt.want, tt.want, body[strings.Index(body, "<main"):])
		}
	}
}
