package names_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/names"
)

func TestApp(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{"HEROKU_APP_NAME": "quiet-river", "FLY_APP_NAME": "other"}, "quiet-river"},
		{map[string]string{"FLY_APP_NAME": "shop"}, "shop"},
		{map[string]string{"RENDER_SERVICE_ID": "srv-abc"}, "srv-abc"},
		{map[string]string{"VCAP_APPLICATION": `{"application_id":"0123","application_name":"shop"}`}, "0123"},
		{map[string]string{"VCAP_APPLICATION": `not json`}, ""},
		{map[string]string{"K_SERVICE": "shop"}, "shop"},
		{map[string]string{"CLOUD_RUN_WORKER_POOL": "jobs"}, "jobs"},
		{map[string]string{"NOMAD_JOB_ID": "shop", "NOMAD_GROUP_NAME": "web", "NOMAD_NAMESPACE": "default"}, "shop/web"},
		{map[string]string{"NOMAD_JOB_ID": "shop", "NOMAD_GROUP_NAME": "web", "NOMAD_NAMESPACE": "staging"}, "staging/shop/web"},
		{map[string]string{"NOMAD_JOB_ID": "shop", "NOMAD_GROUP_NAME": "web", "NOMAD_NAMESPACE": "default", "NOMAD_REGION": "global"}, "shop/web"},
		{map[string]string{"NOMAD_JOB_ID": "shop", "NOMAD_GROUP_NAME": "web", "NOMAD_REGION": "eu"}, "eu/shop/web"},
		{map[string]string{"NOMAD_NAMESPACE": "staging"}, ""},
		{map[string]string{"APP": "shop", "CONTAINER": "web-1"}, "shop"},
		{map[string]string{"APP": "shop"}, ""},
	} {
		if got := names.App(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.env, got, tt.want)
		}
	}
}
