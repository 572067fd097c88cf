package settings_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
				s, err = loadOn("PLATFORM=pool", "AUTOSCALE_POOL_TOKEN=a-token-of-a-pool", "AUTOSCALE_POOL_URL=http://127.0.0.1:4711",
					"AUTOSCALE_POOL_NUMBER=2", "AUTOSCALE_POOL_PROCESS=web.2")
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

// The environment is the one of Options, and not that of the process.
func TestEnvironOfPlatforms(t *testing.T) {
	answers := func(body string) (url string, seen chan string) {
		seen = make(chan string, 100)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			seen <- r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(text)
			w.Header().Set("Metadata-Flavor", "Google")
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL, seen
	}
	theirs, wrong := answers(`{}`)
	for name, value := range map[string]string{
		"AUTOSCALE_POOL_URL": theirs, "AUTOSCALE_POOL_TOKEN": "wrong", "AUTOSCALE_POOL_PROCESS": "wrong.9", "GCE_METADATA_HOST": strings.TrimPrefix(theirs, "http://"),
		"VCAP_APPLICATION": `{"cf_api":"` + theirs + `"}`, "AWS_CONTAINER_CREDENTIALS_FULL_URI": theirs, "AWS_REGION": "wrong", "AWS_DEFAULT_REGION": "wrong",
		"FLY_MACHINE_ID": "wrong",
	} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	for name, c := range settings.Platforms() {
		t.Run(name, func(t *testing.T) {
			ours, seen := answers(`{}`) // no credentials, so that nobody else is asked
			environ := slices.Concat([]string{"PLATFORM=" + name}, c.Right, []string{
				"AUTOSCALE_POOL_URL=http://127.0.0.1:1", "AUTOSCALE_POOL_URL=" + ours, "AUTOSCALE_POOL_TOKEN=right", "AUTOSCALE_POOL_PROCESS=web.1",
				"GCE_METADATA_HOST=" + strings.TrimPrefix(ours, "http://"), `VCAP_APPLICATION={"cf_api":"` + ours + `"}`,
				"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + ours, "AWS_DEFAULT_REGION=eu-west-1",
			})
			environ = slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, "CF_API_URL=") || strings.HasPrefix(v, "AWS_REGION=") })
			s, err := loadOn(environ...)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"pool": `/size Bearer right {"size":3,"by":"web.1"}`, "cloudfoundry": "/ ", "ecs": "/ ", "cloudrun": "/computeMetadata/"}[name]
			if want == "" {
				return // all that this platform needs are settings
			}
			_ = s.Config.Scaler.Scale(t.Context(), 3)
			select {
			case text := <-wrong:
				t.Errorf("the process's own environment was used: %s", text)
			default:
			}
			select {
			case text := <-seen:
				if !strings.HasPrefix(text, want) {
					t.Errorf("asked %q, want %q", text, want)
				}
			default:
				t.Error("what the environment names was not asked")
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
