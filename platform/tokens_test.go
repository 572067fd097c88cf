package platform_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/scalingo"
)

// A token that was meant for another tool is refused before it is sent, and not repeated.
func TestTokensMeantElsewhere(t *testing.T) {
	for name, validate := range map[string]func(token string) error{
		"heroku": func(v string) error { return heroku.NewClient(v, nil).Scaler("shop", "web").Validate() },
		"fly":    func(v string) error { return fly.NewClient(v, nil).Scaler("shop", "web").Validate() },
		"render": func(v string) error { return render.NewClient(v, nil).Scaler("srv-abc123").Validate() },
		"nomad": func(v string) error {
			return nomad.NewClient(v, &platform.Options{BaseURL: "https://nomad.example.com"}).Scaler(nomad.Group{Job: "shop", Name: "web"}).Validate()
		},
		"scalingo": func(v string) error { return scalingo.NewClient(v, nil).Scaler("shop", "web").Validate() },
		"cloudfoundry": func(v string) error {
			o := &platform.Options{BaseURL: "https://api.cf.example.com"}
			return cloudfoundry.NewClient(cloudfoundry.Credentials{RefreshToken: v}, o).Scaler("1cb006ee-fb05-47e1-b541-c34179ddc446", "web").Validate()
		},
	} {
		if err := validate("0e0e0e0e-0000-4000-8000-00000000000e"); err != nil {
			t.Errorf("%s: a token that is right: %v", name, err)
		}
		for _, token := range []string{"${PLATFORM_TOKEN}", "$PLATFORM_TOKEN", "{{PLATFORM_TOKEN}}", `"0e0e0e0e-0000"`, "<platform-token>", "op://vault/PLATFORM_TOKEN/x"} {
			if err := validate(token); err == nil || strings.Contains(fmt.Sprint(err), "PLATFORM_TOKEN") {
				t.Errorf("%s: %s: %v", name, token, err)
			}
		}
	}
}
