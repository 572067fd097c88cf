package kubernetes_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// fleetUnder runs a fleet of two workers with these rights. It returns whether all targets
// came to their size, and how many requests were refused.
func fleetUnder(t *testing.T, account kubetest.Account, everywhere bool) (scaled bool, refused int) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.shards = 4
		c.token = "a token with few rights"
		account.Name = "fleet"
		c.server.AddAccount(c.token, account)
		namespace := "default"
		if everywhere {
			namespace = "shop"
		}
		for i := range 5 {
			c.deployIn(namespace, fmt.Sprint("t", i), 1, nil)
		}
		c.setLoad(func(int) int { return 3 }, 6)
		change := func(o *kubernetes.FleetOptions) { o.AllNamespaces = everywhere }
		a := c.worker("a", change)
		time.Sleep(time.Minute)
		b := c.worker("b", change)
		c.deployIn(namespace, "t5", 1, nil) // its state is looked up
		time.Sleep(2 * time.Minute)
		// A command is read and written again, and a shard moves back.
		if all := a.fleet.Members(); len(all) > 0 {
			_ = all[0].Pause(t.Context())
		}
		b.gate.set(true) // it dies, and its lease is deleted later
		b.stop()
		time.Sleep(3 * time.Minute)
		a.stop()
		<-a.ended
		<-b.ended
		scaled = true
		for i := range 6 {
			o := c.server.Object("Deployment", namespace, fmt.Sprint("t", i))
			scaled = scaled && fmt.Sprint(at(o, "spec", "replicas")) == "3"
		}
		for _, r := range c.server.Requests() {
			if r.Status == 403 {
				refused++
			}
		}
	})
	return scaled, refused
}

// TestFleetRole runs a fleet with the rights of deploy/fleet, and without each of them.
func TestFleetRole(t *testing.T) {
	t.Parallel()
	targets, leases := manifests(t, "fleet/namespace/targets.yaml"), manifests(t, "fleet/base/leases.yaml")
	rules := slices.Concat(targets[0].Rules, leases[0].Rules)
	if scaled, refused := fleetUnder(t, kubetest.Account{Namespace: "default", Rules: rules}, false); !scaled || refused > 0 {
		t.Fatalf("with the Roles: scaled %v, %d requests were refused", scaled, refused)
	}
	for i, r := range rules {
		for j, verb := range r.Verbs {
			without := slices.Clone(rules)
			without[i].Verbs = slices.Delete(slices.Clone(r.Verbs), j, j+1)
			if _, refused := fleetUnder(t, kubetest.Account{Namespace: "default", Rules: without}, false); refused == 0 {
				t.Errorf("nothing is refused without %s of %v: the Role has a right too many", verb, r.Resources)
			}
		}
	}
	// The targets of all namespaces take the same rights in all of them.
	cluster := manifests(t, "fleet/cluster/targets.yaml")
	if !reflect.DeepEqual(cluster[0].Rules, targets[0].Rules) {
		t.Errorf("the ClusterRole has %v, and the Role %v", cluster[0].Rules, targets[0].Rules)
	}
	account := kubetest.Account{Namespace: "default", Rules: leases[0].Rules, ClusterRules: cluster[0].Rules}
	if scaled, refused := fleetUnder(t, account, true); !scaled || refused > 0 {
		t.Errorf("with the ClusterRole: scaled %v, %d requests were refused", scaled, refused)
	}
	account = kubetest.Account{Namespace: "default", Rules: rules}
	if scaled, refused := fleetUnder(t, account, true); scaled || refused == 0 {
		t.Errorf("with the Role of one namespace: scaled %v, %d requests were refused", scaled, refused)
	}
	for kind, pair := range map[string][]manifest{"Role": targets, "ClusterRole": cluster} {
		if pair[0].Kind != kind || pair[1].Kind != kind+"Binding" || pair[1].RoleRef != (struct{ Kind, Name string }{kind, pair[0].Metadata.Name}) {
			t.Errorf("%v", pair)
		}
	}
	holder := manifests(t, "fleet/base/serviceaccount.yaml")[0].Metadata.Name
	for _, binding := range []manifest{targets[1], cluster[1], leases[1]} {
		if binding.Subjects[0].Kind != "ServiceAccount" || binding.Subjects[0].Name != holder {
			t.Errorf("%s binds %v", binding.Metadata.Name, binding.Subjects)
		}
	}
}
