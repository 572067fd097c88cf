package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// fleetUnder runs a fleet of two workers with these rights. It returns whether all targets
// came to their size, and how many requests were refused.
func fleetUnder(t *testing.T, rules []kubetest.Rule) (scaled bool, refused int) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.token = "a token with few rights"
		c.server.AddAccount(c.token, kubetest.Account{Name: "fleet", Namespace: "default", Rules: rules})
		for i := range 8 {
			c.deploy(fmt.Sprint("t", i), 1, nil)
		}
		c.setLoad(func(int) int { return 3 }, 8)
		a := c.worker("a", nil)
		time.Sleep(time.Minute)
		b := c.worker("b", nil)
		time.Sleep(2 * time.Minute)
		// A command is read and written again, and a shard moves back.
		if all := a.fleet.All(); len(all) > 0 {
			if err := all[0].Pause(t.Context()); err != nil {
				t.Log(err)
			}
		}
		b.stop()
		<-b.ended
		time.Sleep(time.Minute)
		a.stop()
		<-a.ended
		scaled = true
		for i := range 8 {
			scaled = scaled && c.size(fmt.Sprint("t", i)) == 3
		}
		for _, r := range c.server.Requests() {
			if r.Status == 403 {
				refused++
			}
		}
	})
	return scaled, refused
}

// TestFleetRole runs a fleet with the rights of the Role in deploy/fleet, and without each of
// them.
func TestFleetRole(t *testing.T) {
	rules := manifests(t, "fleet/role.yaml")[0].Rules
	if scaled, refused := fleetUnder(t, rules); !scaled || refused > 0 {
		t.Fatalf("with the Role: scaled %v, %d requests were refused", scaled, refused)
	}
	for i, r := range rules {
		for j, verb := range r.Verbs {
			if verb == "get" && r.Resources[0] == "configmaps" {
				continue // only after somebody else has changed or deleted a state
			}
			without := slices.Clone(rules)
			without[i].Verbs = slices.Delete(slices.Clone(r.Verbs), j, j+1)
			if _, refused := fleetUnder(t, without); refused == 0 {
				t.Errorf("nothing is refused without %s of %v: the Role has a right too many", verb, r.Resources)
			}
		}
	}
}
