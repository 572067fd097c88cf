package kedatest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// manifests returns the documents of the folder deploy, by file and number.
func manifests(t testing.TB) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob("../deploy/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	out := make(map[string][][]byte)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = bytes.Split(data, []byte("\n---\n"))
	}
	return out
}

// Each manifest has only fields that KEDA and Kubernetes have, and says what the README does.
func TestManifests(t *testing.T) {
	for file, documents := range manifests(t) {
		for _, document := range documents {
			var kind struct {
				APIVersion, Kind string
			}
			if err := yaml.Unmarshal(document, &kind); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			into := map[string]any{
				"keda.sh/v1alpha1 ScaledObject":            &kedav1alpha1.ScaledObject{},
				"keda.sh/v1alpha1 TriggerAuthentication":   &kedav1alpha1.TriggerAuthentication{},
				"autoscaling/v2 HorizontalPodAutoscaler":   &autoscalingv2.HorizontalPodAutoscaler{},
				"v1 Service":                               &corev1.Service{},
				"v1 ServiceAccount":                        &corev1.ServiceAccount{},
				"rbac.authorization.k8s.io/v1 Role":        &rbacv1.Role{},
				"rbac.authorization.k8s.io/v1 RoleBinding": &rbacv1.RoleBinding{},
			}[kind.APIVersion+" "+kind.Kind]
			if into == nil {
				t.Errorf("%s: %v is not tested", file, kind)
				continue
			}
			if err := yaml.UnmarshalStrict(document, into); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if so, ok := into.(*kedav1alpha1.ScaledObject); ok {
				checkScaledObject(t, file, so)
			}
			if hpa, ok := into.(*autoscalingv2.HorizontalPodAutoscaler); ok {
				checkBehavior(t, file, hpa.Spec.Behavior)
				if target := hpa.Spec.Metrics[0].External.Target; target.Type != autoscalingv2.AverageValueMetricType || target.AverageValue.Value() != 1 {
					t.Errorf("%s: the target is %v", file, target)
				}
			}
		}
	}
}

func checkScaledObject(t *testing.T, file string, so *kedav1alpha1.ScaledObject) {
	t.Helper()
	if err := kedav1alpha1.ValidateTriggers(so.Spec.Triggers); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	checkBehavior(t, file, so.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior)
	if so.Spec.Fallback.Behavior != kedav1alpha1.FallbackBehaviorCurrentReplicas {
		t.Errorf("%s: the fallback is %q", file, so.Spec.Fallback.Behavior)
	}
	trigger := so.Spec.Triggers[0]
	if trigger.MetricType != autoscalingv2.AverageValueMetricType {
		t.Errorf("%s: the metricType is %q", file, trigger.MetricType)
	}
	want := map[string]map[string]string{
		"external":      {"name": "web"},
		"external-push": {"name": "web"},
		"metrics-api":   {"valueLocation": "published_size", "targetValue": "1"},
		"prometheus":    {"threshold": "1", "ignoreNullValues": "false"},
	}[trigger.Type]
	if want == nil {
		t.Errorf("%s: the trigger is %q", file, trigger.Type)
	}
	for key, value := range want {
		if trigger.Metadata[key] != value {
			t.Errorf("%s: %s is %q, not %q", file, key, trigger.Metadata[key], value)
		}
	}
}

// The HPA is to add no limit of its own.
func checkBehavior(t *testing.T, file string, b *autoscalingv2.HorizontalPodAutoscalerBehavior) {
	t.Helper()
	for _, rules := range []*autoscalingv2.HPAScalingRules{b.ScaleUp, b.ScaleDown} {
		if !rules.Tolerance.IsZero() || *rules.StabilizationWindowSeconds != 0 || rules.Policies[0].Value < 100 {
			t.Errorf("%s: the HPA has limits: %v", file, rules)
		}
	}
}
