package kubernetes_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

// TestFleetOfAList replaces the list of the targets while the fleet runs.
func TestFleetOfAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for i := range 6 {
			c.deploy(fmt.Sprint("t", i), 1, nil)
		}
		c.setLoad(func(int) int { return 2 }, 6)
		w := c.worker("a", func(o *kubernetes.FleetOptions) { o.Targets = []string{"default/t1", "default/t2", "default/none"} })
		expect := func(members string, faults int, sizes ...int) {
			t.Helper()
			time.Sleep(time.Minute)
			var names []string
			for i := range 6 {
				if _, ok := w.fleet.Lookup(fmt.Sprint("default/t", i)); ok {
					names = append(names, fmt.Sprint("t", i))
				}
			}
			s := w.fleet.Status()
			if got := strings.Join(names, " "); got != members || len(s.Faults) != faults || s.Targets != len(names) || s.Members != len(names) {
				t.Errorf("members %q, want %q; %+v", got, members, s)
			}
			for i, size := range sizes {
				if got := c.size(fmt.Sprint("t", i)); got != size {
					t.Errorf("t%d is at %d, want %d", i, got, size)
				}
			}
		}
		set := func(names []string, fine bool) {
			t.Helper()
			if err := w.fleet.SetTargets(names); (err == nil) != fine {
				t.Errorf("SetTargets(%q) = %v", names, err)
			}
		}
		expect("t1 t2", 1, 1, 2, 2, 1, 1, 1)
		set([]string{"default/t2", "default/t3"}, true)
		expect("t2 t3", 0, 1, 2, 2, 2, 1, 1)
		for _, bad := range []string{"", "t2", "/t2", "default/", "default/t2/x", "Default/t2", "default/t 2"} {
			set([]string{"default/t1", bad}, false)
		}
		expect("t2 t3", 0)
		set([]string{}, true)
		expect("", 0)
		set(nil, true)
		expect("t0 t1 t2 t3 t4 t5", 0, 2, 2, 2, 2, 2, 2)
		w.stop()
		<-w.ended
	})
	f := kubernetes.FromConfig(nil, nil).Fleet(nil, &kubernetes.FleetOptions{Targets: []string{"web"}})
	if err := f.Validate(); err == nil || !strings.Contains(err.Error(), `"web" is not the name of a target`) {
		t.Errorf("%v", err)
	}
}

// dnsName is what Kubernetes allows as the name of a Lease or a ConfigMap.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// TestFleetObjectNames looks at pairs of fleets and objects that end up alike when they are
// merely joined.
func TestFleetObjectNames(t *testing.T) {
	long := strings.Repeat("x", 253)
	names := make(map[string]string)
	for _, path := range [][]string{
		{"a", "b-c"},
		{"a-b", "c"},
		{"a.b", "c"},
		{"a", "b.c"},
		{"a", "b--c"},
		{"a--b", "c"},
		{"a", "b--2ec"},
		{"a", "worker", "b"},
		{"a-worker", "b"},
		{"a", "worker-b"},
		{"a.worker", "b"},
		{"a", "worker.b"},
		{"a", "shard", "001"},
		{"a", "shard-001"},
		{"a", "worker", "x-shard-001"},
		{"a-worker-x", "shard", "001"},
		{"a", long},
		{"a-x", long[1:]},
		{"a", long[1:]},
	} {
		name := kubernetes.FleetObject(path[0], path[1:]...)
		if other, taken := names[name]; taken {
			t.Errorf("%q and %s are both %s", path, other, name)
		}
		names[name] = fmt.Sprintf("%q", path)
		if len(name) > 253 || !dnsName.MatchString(name) {
			t.Errorf("%q is %s, which Kubernetes refuses", path, name)
		}
	}
}
