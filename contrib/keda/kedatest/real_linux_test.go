package kedatest_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/internal/kubecluster"
)

// A real API server takes each manifest, with the custom resources of KEDA as its release
// has them, and drops no field of it.
func TestManifestsOnARealServer(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := kubecluster.Start(t)
	definitions := filepath.Join(strings.TrimSpace(string(dir)), "config/crd/bases")
	for _, name := range []string{"scaledobjects", "triggerauthentications"} {
		c.Kubectl(t, "", "apply", "--server-side", "-f", filepath.Join(definitions, "keda.sh_"+name+".yaml"))
	}
	c.Kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	files, err := filepath.Glob("../deploy/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	for _, file := range files {
		out := c.Kubectl(t, "", "apply", "--validate=strict", "-f", file)
		t.Logf("%s: %s", filepath.Base(file), out)
		if strings.Contains(strings.ToLower(out), "warning") {
			t.Errorf("%s: %s", file, out)
		}
	}
	for kind, want := range map[string]string{
		"hpa":          "0 0",
		"scaledobject": "0 0",
	} {
		path := "{.spec.behavior.scaleUp.tolerance} {.spec.behavior.scaleDown.tolerance}"
		if kind == "scaledobject" {
			path = strings.ReplaceAll(path, ".spec.", ".spec.advanced.horizontalPodAutoscalerConfig.")
		}
		if got := c.Kubectl(t, "", "get", kind, "web", "-o", "jsonpath="+path); got != want {
			t.Errorf("the tolerances of the %s are %q", kind, got)
		}
	}
}
