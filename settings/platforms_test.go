package settings_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/settings"
)

// loadOn reads settings on a platform other than Heroku.
func loadOn(environ ...string) (*settings.Settings, error) {
	return settings.Load(settings.Options{Environ: append([]string{"HEARTBEAT_URL=https://shop.example/beat"}, environ...)})
}

// Each platform is chosen by its name, says what is missing, and scales what was named.
func TestPlatforms(t *testing.T) {
	for name, c := range settings.Platforms() {
		t.Run(name, func(t *testing.T) {
			s, err := loadOn(slices.Concat([]string{"PLATFORM=" + name}, c.Right)...)
			if name == "pool" { // outside a pool
				if err == nil || !strings.Contains(err.Error(), "PLATFORM is pool, and its settings are not right: AUTOSCALE_POOL_TOKEN is empty") {
					t.Fatal(err)
				}
				t.Setenv("AUTOSCALE_POOL_TOKEN", "a-token-of-a-pool")
				t.Setenv("AUTOSCALE_POOL_URL", "http://127.0.0.1:4711")
				s, err = loadOn("PLATFORM=pool")
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.App == "" || len(s.Warnings) > 0 {
				t.Errorf("app %q, warnings %q", s.App, s.Warnings)
			}
			if text := fmt.Sprintf("%+v", s.Config.Scaler); !strings.Contains(text, name+".Scaler(") {
				t.Errorf("the Scaler is %s", text)
			}
			// Each setting that is required is asked for.
			for _, required := range c.Required {
				left := slices.DeleteFunc(slices.Clone(c.Right), func(v string) bool { return strings.HasPrefix(v, required+"=") })
				_, err := loadOn(slices.Concat([]string{"PLATFORM=" + name}, left)...)
				var faults *settings.Error
				if !errors.As(err, &faults) || !strings.Contains(err.Error(), required+" is missing") {
					t.Errorf("without %s: %v", required, err)
				}
			}
			// On another platform it has no effect, which a file is told.
			for _, v := range c.Right {
				s := load(t, "AUTOSCALE_"+v)
				if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "has no effect: PLATFORM is heroku") {
					t.Errorf("%s on Heroku: warnings %q", v, s.Warnings)
				}
			}
			// A path needs a URL, which only Heroku's API says.
			_, err = loadOn(slices.Concat([]string{"PLATFORM=" + name, "HEARTBEAT_URL=/beat"}, c.Right)...)
			if err == nil || !strings.Contains(err.Error(), "HEARTBEAT_URL must be a whole URL if PLATFORM is "+name) {
				t.Errorf("a path: %v", err)
			}
		})
	}
}

func TestUnknownPlatform(t *testing.T) {
	_, err := loadOn("PLATFORM=railway")
	if err == nil || !strings.Contains(err.Error(), `PLATFORM is "railway": it must be heroku`) || strings.Contains(err.Error(), "HEROKU_API_KEY") {
		t.Error(err)
	}
}
