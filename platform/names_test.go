package platform_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// The longest names of a platform are as good as short ones. What texts shorten is not what
// is checked.
func TestLongestNames(t *testing.T) {
	a := func(n int) string { return strings.Repeat("ab-", n)[:n-1] + "a" } // does not look like a secret
	const guid = "1cb006ee-fb05-47e1-b541-c34179ddc446"
	for _, tt := range []struct {
		name     string
		longest  string
		validate func(name string) error
	}{
		{"cloudfoundry process", a(63), func(n string) error {
			return cloudfoundry.NewClient(cloudfoundry.Credentials{}, nil).Scaler(guid, n).Validate()
		}},
		{"cloudrun project", a(40) + ":" + a(42), func(n string) error { return cloudrun.NewClient(nil, nil).Scaler(n, "europe-west1", "web").Validate() }},
		{"cloudrun service", a(63), func(n string) error {
			return cloudrun.NewClient(nil, nil).Scaler("project", "europe-west1", n).Validate()
		}},
		{"cloudrun worker pool", a(63), func(n string) error {
			return cloudrun.NewClient(nil, nil).WorkerPool("project", "europe-west1", n).Validate()
		}},
		{"ecs cluster", a(255), func(n string) error { return ecs.NewClient("eu-west-1", nil, nil).Scaler(n, "web").Validate() }},
		{"ecs service", a(255), func(n string) error { return ecs.NewClient("eu-west-1", nil, nil).Scaler("main", n).Validate() }},
		{"fly app", a(63), func(n string) error { return fly.NewClient("", nil).Scaler(n, "web").Validate() }},
		{"fly group", a(63), func(n string) error { return fly.NewClient("", nil).Scaler("shop", n).Validate() }},
		{"nomad job", a(500), func(n string) error {
			return nomad.NewClient("", nil).Scaler(nomad.Group{Job: n, Name: "web"}).Validate()
		}},
		{"nomad group", a(500), func(n string) error {
			return nomad.NewClient("", nil).Scaler(nomad.Group{Job: "shop", Name: n}).Validate()
		}},
		{"render service", "srv-" + strings.Repeat("a", 60), func(n string) error { return render.NewClient("", nil).Scaler(n).Validate() }},
		{"scalingo app", a(63), func(n string) error { return scalingo.NewClient("", nil).Scaler(n, "web").Validate() }},
		{"scalingo process", a(63), func(n string) error { return scalingo.NewClient("", nil).Scaler("shop", n).Validate() }},
		{"swarm service", a(63), func(n string) error { return swarm.NewClient("", nil).Scaler(n).Validate() }},
	} {
		short := "srv-aaaaaa"
		if !strings.HasPrefix(tt.longest, short[:4]) {
			short = "aaaaaa"
		}
		// The client has no credentials, which is a fault of its own.
		want, got := fmt.Sprint(tt.validate(short)), fmt.Sprint(tt.validate(tt.longest))
		if got != want {
			t.Errorf("%s of %d bytes: %s; want %s, as of a short one", tt.name, len(tt.longest), got, want)
		}
		if over := fmt.Sprint(tt.validate(tt.longest + a(300))); over == want {
			t.Errorf("%s of %d bytes is valid", tt.name, len(tt.longest)+300)
		}
	}
}
