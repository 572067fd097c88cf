package settings_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/settings"
)

// loadOn reads settings on a platform other than Heroku.
func loadOn(environ ...string) (*settings.Settings, error) {
	return settings.Load(settings.Options{Environ: append([]string{"HEARTBEAT_URL=https://shop.example/beat"}, environ...), Scalers: scalers})
}

// scalers stand for those of the program contrib/autoscalebot.
var scalers = map[string]settings.ScalerFunc{"kubernetes": standIn("kubernetes"), "dokku": standIn("dokku")}

type fixedScaler struct{}

func (fixedScaler) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 1}, nil
}
func (fixedScaler) Scale(context.Context, int) error { return nil }

func standIn(name string) settings.ScalerFunc {
	return func(get, env func(string) string, process string) autoscale.Scaler {
		return standInScaler{fixedScaler{}, name}
	}
}

type standInScaler struct {
	autoscale.Scaler
	name string
}

func (s standInScaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s.Scaler(…)", s.name) }

// A platform whose client is a module of its own needs a program that has it.
func TestPlatformsOfModules(t *testing.T) {
	for name, module := range map[string]string{"kubernetes": "contrib/kubernetes", "dokku": "contrib/dokku"} {
		o := settings.Options{Environ: append([]string{"HEARTBEAT_URL=https://shop.example/beat", "PLATFORM=" + name}, settings.Platforms()[name].Right...)}
		_, err := settings.Load(o)
		if want := "PLATFORM is " + name + ", and this program has no client of it: use the program in contrib/autoscalebot, or package " + module; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		o.Offline = true
		if _, err := settings.Load(o); err != nil {
			t.Errorf("%s offline: %v", name, err)
		}
		var process, target string
		o.Offline, o.Scalers = false, map[string]settings.ScalerFunc{name: func(get, env func(string) string, p string) autoscale.Scaler {
			process, target = p, get("KUBERNETES_TARGET")+get("DOKKU_APP")
			return fixedScaler{}
		}}
		o.Environ = append(o.Environ, "PROCESS_TYPE=worker")
		if _, err := settings.Load(o); err != nil || process != "worker" || target == "" {
			t.Errorf("%s: the Scaler is made of %q and %q, %v", name, process, target, err)
		}
	}
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

// What people call a platform is not always its name here.
func TestUnknownPlatform(t *testing.T) {
	for name, want := range map[string]string{
		"railway":       `PLATFORM is "railway": it must be heroku`,
		"flyio":         ": write fly",
		"Fly.io":        ": write fly",
		"CF":            ": write cloudfoundry",
		"cloud-foundry": ": is cloudfoundry meant?",
		"rendr":         ": is render meant?",
		"AWS":           ": write ecs",
		"cloud_run":     ": is cloudrun meant?",
		"K8s":           ": write kubernetes",
		"doku":          ": is dokku meant?",
		"vps":           ": write pool",
	} {
		_, err := loadOn("PLATFORM=" + name)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "HEROKU_API_KEY") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reader who gave settings of a platform, and not its name, is told.
func TestPlatformIsMissing(t *testing.T) {
	_, err := loadOn("FLY_API_TOKEN=FlyV1 fm2_0123456789abcdef")
	if want := "; if the app is on fly, as FLY_API_TOKEN suggests, give PLATFORM=fly"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	_, err = loadOn("AWS_REGION=eu-west-1") // as on any machine of AWS
	if want := "; if the app is not on Heroku, choose its platform, as PLATFORM="; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err = loadOn("PLATFORM=heroku"); err == nil || strings.Contains(err.Error(), "PLATFORM") {
		t.Errorf("PLATFORM was given: %v", err)
	}
}

// What a platform's package says of its fields is said of settings.
func TestPlatformFaultsNameSettings(t *testing.T) {
	guid := "CF_APP_GUID=01234567-89ab-cdef-0123-456789abcdef"
	for _, tt := range []struct {
		environ []string
		want    string
	}{
		{[]string{"PLATFORM=fly", "FLY_APP_NAME=shop", "FLY_API_TOKEN=t", "FLY_API_URL=http://fly.example"}, "environment: FLY_API_URL is http, over which anybody on the way can read the token"},
		{[]string{"PLATFORM=render", "RENDER_SERVICE_ID=srv-abc123", "RENDER_API_KEY=k", "RENDER_API_URL=x"}, "environment: RENDER_API_URL is not an absolute http or https URL"},
		{[]string{"PLATFORM=cloudfoundry", guid, "CF_CLIENT_SECRET=s"}, "CF_API_URL is empty, and VCAP_APPLICATION has no cf_api"},
		{[]string{"PLATFORM=cloudfoundry", guid, "CF_API_URL=https://cf.example"}, "there are none: give CF_CLIENT_ID and CF_CLIENT_SECRET, CF_USERNAME and CF_PASSWORD, or CF_REFRESH_TOKEN"},
		{[]string{"PLATFORM=cloudfoundry", guid, "CF_API_URL=https://cf.example", "CF_CLIENT_ID=a"}, "CF_CLIENT_ID or CF_CLIENT_SECRET is empty: give both"},
	} {
		_, err := loadOn(tt.environ...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.environ, err, tt.want)
		}
	}
	if _, err := loadOn("PLATFORM=cloudfoundry", guid, "CF_API_URL=https://cf.example", "CF_REFRESH_TOKEN=0123456789abcdef"); err != nil {
		t.Errorf("a refresh token alone: %v", err)
	}
}

// A worker that was not told what to scale finds what the platform says of itself.
func TestOwn(t *testing.T) {
	fly := []string{"PLATFORM=fly", "FLY_APP_NAME=shop", "FLY_PROCESS_GROUP=worker", "FLY_API_TOKEN=t"}
	render := []string{"PLATFORM=render", "RENDER_SERVICE_ID=srv-abc123", "RENDER_API_KEY=k"}
	for _, tt := range []struct {
		environ, want []string
	}{
		{fly, []string{"FLY_APP_NAME", "FLY_PROCESS_GROUP"}},
		{append(fly, "AUTOSCALE_FLY_PROCESS_GROUP=web"), nil},
		{append(fly, "AUTOSCALE_FLY_APP_NAME=other"), nil},
		{fly[:2:2], nil},
		{render, []string{"RENDER_SERVICE_ID"}},
		{append(render, "AUTOSCALE_RENDER_SERVICE_ID=srv-def456"), nil},
		{[]string{"HEROKU_APP_NAME=shop", "HEROKU_API_KEY=k"}, nil},
	} {
		s, err := settings.Load(settings.Options{Environ: append([]string{"HEARTBEAT_URL=https://shop.example/beat"}, tt.environ...), Offline: true})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Own, tt.want) {
			t.Errorf("%q: own %q, want %q", tt.environ, s.Own, tt.want)
		}
	}
}

// Two services that share a store and a name have another application.
func TestAppsOfOneName(t *testing.T) {
	for _, tt := range []struct {
		environ []string
		want    string
	}{
		{[]string{"PLATFORM=ecs", "AWS_REGION=eu-west-1", "ECS_CLUSTER=main", "ECS_SERVICE=web"}, "eu-west-1/main/web"},
		{[]string{"PLATFORM=nomad", "NOMAD_JOB=shop", "NOMAD_GROUP=web", "NOMAD_NAMESPACE=default", "NOMAD_REGION=global"}, "shop/web"},
		{[]string{"PLATFORM=nomad", "NOMAD_JOB=shop", "NOMAD_GROUP=web", "NOMAD_NAMESPACE=staging", "NOMAD_REGION=eu"}, "eu/staging/shop/web"},
		{[]string{"PLATFORM=cloudrun", "CLOUD_RUN_PROJECT=p", "CLOUD_RUN_REGION=europe-west1", "CLOUD_RUN_SERVICE=web"}, "p/europe-west1/web"},
		{[]string{"PLATFORM=kubernetes", "KUBERNETES_TARGET=deployment/web", "KUBERNETES_NAMESPACE=shop"}, "shop/deployment/web"},
	} {
		s, err := settings.Load(settings.Options{Environ: append([]string{"HEARTBEAT_URL=https://shop.example/beat"}, tt.environ...), Offline: true})
		if err != nil || s.App != tt.want {
			t.Errorf("%q: app %+v, %v; want %q", tt.environ, s, err, tt.want)
		}
	}
}

// Offline, nothing is asked for that only a platform needs, and nothing is called.
func TestOffline(t *testing.T) {
	for _, name := range append(slices.Collect(maps.Keys(settings.Platforms())), "heroku") {
		offline := func(environ ...string) *settings.Settings {
			s, err := settings.Load(settings.Options{Environ: append(environ, "PLATFORM="+name, "HEARTBEAT_URL=https://shop.example/beat"), Offline: true})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return s
		}
		s := offline()
		if _, err := s.Config.Scaler.Capacity(t.Context()); err == nil || s.Config.Scaler.Scale(t.Context(), 1) == nil {
			t.Errorf("%s: something was called", name)
		}
		want := ""
		if name == "pool" {
			host, _ := os.Hostname()
			want = "pool/" + host
		}
		if s.App != want {
			t.Errorf("%s: without its name the app is %q, want %q", name, s.App, want)
		}
		named := append([]string{"HEROKU_APP_NAME=shop"}, settings.Platforms()[name].Right...)
		named = slices.DeleteFunc(named, func(v string) bool { return slices.Contains(settings.Secrets(), v[:strings.IndexByte(v, '=')]) })
		if s := offline(named...); s.App == "" {
			t.Errorf("%s: the app is not named", name)
		}
		if _, err := settings.Load(settings.Options{Environ: []string{"PLATFORM=" + name, "MAX_DYNOS=two"}, Offline: true}); err == nil {
			t.Errorf("%s: a fault is passed over", name)
		}
	}
}

// The same service in two regions is two applications, whose leases may be in one database.
func TestAppHasItsRegion(t *testing.T) {
	app := func(region string) string {
		s, err := settings.Load(settings.Options{Offline: true, Environ: []string{
			"AUTOSCALE_PLATFORM=cloudrun", "CLOUD_RUN_PROJECT=shop-123456", "CLOUD_RUN_SERVICE=web", "CLOUD_RUN_REGION=" + region,
			"HEARTBEAT_URL=https://shop.example.com/heartbeat/",
		}})
		if err != nil {
			t.Fatal(err)
		}
		return s.App
	}
	if one, two := app("europe-west1"), app("us-east1"); one == two || one != "shop-123456/europe-west1/web" {
		t.Errorf("the applications are %q and %q", one, two)
	}
}
