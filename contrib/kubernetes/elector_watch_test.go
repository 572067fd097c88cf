package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// requests counts the requests since a moment, by account and what they are.
func requests(s *kubetest.Server, since time.Time) map[string]int {
	n := map[string]int{}
	for _, r := range s.Requests() {
		if r.Time.Before(since) {
			continue
		}
		what := strings.ToLower(r.Method)
		if r.Query.Get("watch") != "" {
			what = "watch"
		}
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if p == "namespaces" && i+2 < len(parts) {
				what += " " + parts[i+2]
			}
		}
		n[r.Account+": "+what]++
	}
	return n
}

// A leader patches once in Renew. A follower asks for nothing but the state that was saved, as
// long as the watch lives, and for the Lease once in Renew otherwise.
func TestCost(t *testing.T) {
	for _, watched := range []bool{true, false} {
		t.Run(fmt.Sprintf("watched %t", watched), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.NewPipeServer()
				defer s.Close()
				var all []*kubernetes.Elector
				var stops []func() error
				for i, name := range []string{"leader", "follower"} {
					client := leastClient(t, s, name)
					if !watched {
						s.AddAccount(name, kubetest.Account{Name: name, Namespace: kubetest.DefaultNamespace, Rules: without("leases", "watch")})
					}
					e := client.Elector(&leader.Options{Name: "shop/web", Holder: name, Logger: quiet})
					all, stops = append(all, e), append(stops, run(t, e))
					time.Sleep(time.Duration(1+i) * time.Minute)
				}
				term, ok := all[0].Current()
				if !ok {
					t.Fatal("it does not lead")
				}
				const minutes = 60
				since := time.Now()
				for i := range 2 * minutes { // as an Autoscaler does at most
					if err := all[0].Save(t.Context(), term.Number, fmt.Append(nil, "state ", i)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(30 * time.Second)
				}
				n := requests(s, since)
				t.Logf("in an hour: %v", n)
				within := func(what string, least, most int) {
					t.Helper()
					if n[what] < least || n[what] > most {
						t.Errorf("%s: %d in %d minutes, want %d to %d", what, n[what], minutes, least, most)
					}
					delete(n, what)
				}
				within("leader: patch leases", 6*minutes-2, 6*minutes+2)
				within("leader: patch configmaps", 2*minutes, 2*minutes)
				within("follower: get configmaps", 2*minutes-2, 2*minutes+1)
				if watched {
					within("leader: watch leases", minutes/5-2, minutes/5+3)
					within("follower: watch leases", minutes/5-2, minutes/5+3)
					within("follower: get leases", 0, minutes/5) // while the watch begins again
				} else {
					within("leader: watch leases", 5, 15)
					within("follower: watch leases", 5, 15)
					within("follower: get leases", 5*minutes, 6*minutes)
				}
				if len(n) > 0 {
					t.Errorf("besides: %v", n)
				}
				lease, _ := json.Marshal(s.Object("Lease", "", shopWeb))
				t.Logf("the Lease has %d bytes of JSON", len(lease))
				if len(lease) > 1200 {
					t.Errorf("the Lease has %d bytes: %s", len(lease), lease)
				}
				for _, stop := range stops {
					if err := stop(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// Whatever becomes of the watch, the follower takes over when the leader is lost, and not
// before.
func TestWatchFails(t *testing.T) {
	for name, disturb := range map[string]func(s *kubetest.Server){
		"it ends": func(s *kubetest.Server) { s.EndWatches() },
		"it hangs": func(s *kubetest.Server) {
			s.Inject(kubetest.Fault{Verb: "watch", Hang: true, Times: -1})
			s.EndWatches()
		},
		"it is nonsense": func(s *kubetest.Server) {
			s.Inject(kubetest.Fault{Verb: "watch", Status: 200, Body: "{}\n", Times: -1})
			s.EndWatches()
		},
		"its past is gone": func(s *kubetest.Server) { s.Compact(); s.EndWatches() },
		"other objects": func(s *kubetest.Server) {
			s.Inject(kubetest.Fault{Verb: "watch", Status: 200, Body: `{"type":"ADDED","object":{"metadata":{"name":"other","resourceVersion":"7"},"spec":{"leaseTransitions":99,"holderIdentity":"x"}}}` + "\n", Times: -1})
			s.EndWatches()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.NewPipeServer()
				defer s.Close()
				var all []*kubernetes.Elector
				for _, name := range []string{"a", "b"} {
					all = append(all, leastClient(t, s, name).Elector(&leader.Options{Name: "shop/web", Holder: name, Logger: quiet}))
				}
				stopA := run(t, all[0])
				time.Sleep(time.Minute)
				stopB := run(t, all[1])
				for range 20 {
					disturb(s)
					time.Sleep(17 * time.Second)
					if !leads(all[0]) || leads(all[1]) {
						t.Fatalf("the first leads: %t, the second: %t", leads(all[0]), leads(all[1]))
					}
				}
				s.Cut("a", true)
				time.Sleep(leader.DefaultTTL + 25*time.Second)
				if leads(all[0]) || !leads(all[1]) {
					t.Errorf("after the first was cut off it leads: %t, the second: %t", leads(all[0]), leads(all[1]))
				}
				s.Cut("a", false)
				for _, stop := range []func() error{stopA, stopB} {
					if err := stop(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// A watch whose connection died in silence delays nothing: the follower asks, and begins
// another watch.
func TestSilentWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.NewPipeServer()
		defer s.Close()
		first := leastClient(t, s, "a").Elector(&leader.Options{Name: "shop/web", Holder: "a", Logger: quiet})
		second := leastClient(t, s, "b").Elector(&leader.Options{Name: "shop/web", Holder: "b", Logger: quiet})
		stop := run(t, first)
		time.Sleep(time.Minute)
		end := run(t, second)
		time.Sleep(time.Minute)
		s.SilenceWatches(true)
		since := time.Now()
		time.Sleep(2 * time.Minute)
		if n := requests(s, since); n["b: watch leases"] < 1 || n["b: get leases"] < 8 {
			t.Errorf("in two minutes without a word of the watch: %v", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(12 * time.Second)
		if !leads(second) {
			t.Error("it does not lead although the lease was released")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
