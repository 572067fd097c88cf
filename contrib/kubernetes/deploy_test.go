package kubernetes_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// manifest is what the tests look at of the files in deploy.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Rules    []kubetest.Rule
	RoleRef  struct{ Kind, Name string }
	Subjects []struct{ Kind, Name string }
	Spec     map[string]any
}

func manifests(t *testing.T, file string) (all []manifest) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var m manifest
		if err := yaml.Unmarshal(part, &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// work is a service with an autoscaler, from its first start to a shortage of nodes. It
// returns the requests that were refused for lack of rights.
func work(t *testing.T, rules []kubetest.Rule) (refused []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.NewPipeServer()
		defer s.Close()
		s.AddAccount(token, kubetest.Account{Name: "system:serviceaccount:default:web", Namespace: "default", Rules: rules})
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Nodes: 3})
		c := clientOf(s, token)
		defer c.CloseIdleConnections()

		pod := fmt.Sprint(s.Object("Deployment", "", "web")["metadata"].(map[string]any)["name"])
		for _, r := range podNames(s) {
			pod = r
		}
		elector := c.Elector(&leader.Options{App: "shop", Holder: pod, Logger: slog.New(slog.DiscardHandler)})
		if err := elector.SetDefaultName("web"); err != nil {
			t.Fatal(err)
		}
		protected := c.ProtectLeader(elector, &kubernetes.ProtectOptions{Pod: pod})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = protected.Run(ctx) })
		time.Sleep(time.Minute)
		term, _ := elector.Current()
		_ = elector.Save(ctx, term.Number, []byte("state"))
		_ = elector.SaveHistory(ctx, term.Number, []byte("history"))
		_, _ = elector.History(ctx)
		_ = elector.Command(ctx, []byte("pause"))

		web := c.Scaler("deployment/web", nil)
		_, _ = web.Capacity(ctx)
		_ = web.Scale(ctx, 5)
		s.AddHPA(kubetest.HPAConfig{Name: "keda-hpa-web", Target: "web", ScaledObject: "web", Min: 5})
		for range 23 {
			time.Sleep(30 * time.Second)
			_, _ = web.Capacity(ctx)
		}
		cancel()
		running.Wait()
		for _, r := range s.Requests() {
			if r.Status == 403 {
				refused = append(refused, r.Method+" "+r.Path+"?"+r.Query.Encode())
			}
		}
	})
	return refused
}

func podNames(s *kubetest.Server) (names []string) {
	for i := range 100 {
		if name := fmt.Sprintf("web-abc0-%05d", i); s.Object("Pod", "", name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// TestRole works with the rights of the files in deploy, and then without each of them.
func TestRole(t *testing.T) {
	t.Parallel()
	rules := slices.Concat(manifests(t, "role.yaml")[0].Rules, manifests(t, "protect-leader.yaml")[0].Rules)
	if refused := work(t, rules); len(refused) != 0 {
		t.Fatalf("the Role lacks rights: %v", refused)
	}
	drop := func(what string, i int, change func(r *kubetest.Rule)) {
		t.Helper()
		fewer := slices.Clone(rules)
		change(&fewer[i])
		if len(work(t, fewer)) == 0 {
			t.Errorf("the Role permits more than is used: rule %d, %s", i, what)
		}
	}
	for i, rule := range rules {
		for j := range rule.Verbs {
			drop("verb "+rule.Verbs[j], i, func(r *kubetest.Rule) { r.Verbs = slices.Delete(slices.Clone(r.Verbs), j, j+1) })
		}
		for j := range rule.ResourceNames {
			drop("name "+rule.ResourceNames[j], i, func(r *kubetest.Rule) {
				r.ResourceNames = slices.Delete(slices.Clone(r.ResourceNames), j, j+1)
				if len(r.ResourceNames) == 0 {
					r.ResourceNames = []string{"another"}
				}
			})
		}
		for _, list := range [][]string{rule.APIGroups, rule.Resources} {
			if len(list) != 1 {
				t.Errorf("rule %d has %v: one rule for each", i, list)
			}
		}
	}
}

// The manifests agree with each other and with what the documentation says of them.
func TestManifests(t *testing.T) {
	account := manifests(t, "serviceaccount.yaml")[0]
	role, binding, protect := manifests(t, "role.yaml")[0], manifests(t, "rolebinding.yaml")[0], manifests(t, "protect-leader.yaml")
	for _, pair := range [][2]manifest{{role, binding}, {protect[0], protect[1]}} {
		role, binding := pair[0], pair[1]
		if role.Kind != "Role" || binding.Kind != "RoleBinding" || binding.RoleRef.Kind != "Role" || binding.RoleRef.Name != role.Metadata.Name {
			t.Errorf("%s binds %v", binding.Metadata.Name, binding.RoleRef)
		}
		if len(binding.Subjects) != 1 || binding.Subjects[0].Kind != "ServiceAccount" || binding.Subjects[0].Name != account.Metadata.Name {
			t.Errorf("%s binds %v", binding.Metadata.Name, binding.Subjects)
		}
	}
	deployment := manifests(t, "deployment.yaml")[0]
	if _, ok := deployment.Spec["replicas"]; ok {
		t.Error("the Deployment has replicas: each apply would set the size back")
	}
	pod := deployment.Spec["template"].(map[string]any)["spec"].(map[string]any)
	if pod["serviceAccountName"] != account.Metadata.Name {
		t.Errorf("the pod runs as %v", pod["serviceAccountName"])
	}
	for _, want := range []string{"map[name:POD_NAME valueFrom:map[fieldRef:map[fieldPath:metadata.name]]]", "preStop:map[sleep:map[seconds:5]]"} {
		if got := fmt.Sprint(pod["containers"]); !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if seconds, _ := pod["terminationGracePeriodSeconds"].(float64); seconds <= 5 {
		t.Error("no time is left after preStop")
	}
}

var _ autoscale.Elector = (*kubernetes.ProtectedElector)(nil)
