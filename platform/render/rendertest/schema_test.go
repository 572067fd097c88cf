package rendertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/render/rendertest"
)

// The properties of Render's schema, as required and optional, from the types that
// render-oss/cli generates from Render's OpenAPI document (pkg/client/types_gen.go of
// commit 85c8c2c).
var schema = map[string][2]string{
	"service": {
		"autoDeploy createdAt dashboardUrl id name notifyOnFail ownerId rootDir serviceDetails slug suspended suspenders type updatedAt",
		"artifactSourceId autoDeployTrigger branch buildFilter environmentId imagePath registryCredential repo",
	},
	"web_service": {
		"buildPlan env envSpecificDetails healthCheckPath numInstances openPorts plan region runtime url",
		"autoscaling cache disk internalRouting ipAllowList maintenanceMode maxShutdownDelaySeconds parentServer previews pullRequestPreviewsEnabled renderSubdomainPolicy sshAddress",
	},
	"private_service": {
		"buildPlan env envSpecificDetails numInstances openPorts plan region runtime url",
		"autoscaling disk maxShutdownDelaySeconds parentServer previews pullRequestPreviewsEnabled sshAddress",
	},
	"background_worker": {
		"buildPlan env envSpecificDetails numInstances plan region runtime",
		"autoscaling disk maxShutdownDelaySeconds parentServer previews pullRequestPreviewsEnabled sshAddress",
	},
	"instance": {"createdAt id", ""},
}

// The objects have every property that the schema requires, and none that it lacks.
func TestSchema(t *testing.T) {
	s := rendertest.NewServer()
	defer s.Close()
	for _, typ := range []string{"web_service", "private_service", "background_worker"} {
		id := s.AddService(rendertest.Service{Type: typ, Instances: 1, Disk: true})
		var service map[string]json.RawMessage
		get(t, s.URL+"/services/"+id, &service)
		fits(t, "service", service)
		var details map[string]json.RawMessage
		if err := json.Unmarshal(service["serviceDetails"], &details); err != nil {
			t.Fatal(err)
		}
		fits(t, typ, details)
		var instances []map[string]json.RawMessage
		get(t, s.URL+"/services/"+id+"/instances", &instances)
		fits(t, "instance", instances[0])
	}
}

func fits(t *testing.T, name string, object map[string]json.RawMessage) {
	t.Helper()
	required, optional := strings.Fields(schema[name][0]), strings.Fields(schema[name][1])
	for _, p := range required {
		if _, ok := object[p]; !ok {
			t.Errorf("%s lacks %s", name, p)
		}
	}
	for p := range object {
		if !slices.Contains(required, p) && !slices.Contains(optional, p) {
			t.Errorf("%s has %s, which the schema lacks", name, p)
		}
	}
}

func get(t *testing.T, url string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rendertest.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(body, out) != nil {
		t.Fatalf("%s: %v: %s", url, err, body)
	}
}
