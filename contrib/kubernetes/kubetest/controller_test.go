package kubetest_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

func bubble(t *testing.T, f func(t *testing.T, s *kubetest.Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.NewPipeServer()
		defer s.Close()
		f(t, s)
	})
}

// The controller makes pods, which become ready, and removes them, as each workload says.
func TestWorkloads(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet", "Rollout"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *kubetest.Server) {
				w := s.AddWorkload(kubetest.WorkloadConfig{Kind: kind, Name: "web", Replicas: 2, Boot: time.Minute, Grace: 10 * time.Second})
				is := func(what string, replicas, pods, ready int) {
					t.Helper()
					if w.Replicas() != replicas || len(w.Pods()) != pods || w.Ready() != ready {
						t.Errorf("%s: %d replicas, %d pods, %d ready; want %d, %d, %d", what, w.Replicas(), len(w.Pods()), w.Ready(), replicas, pods, ready)
					}
				}
				is("at first", 2, 2, 2)
				time.Sleep(time.Hour)
				w.SetReplicas(5)
				is("ordered", 5, 5, 2)
				time.Sleep(59 * time.Second)
				is("before the boot has ended", 5, 5, 2)
				time.Sleep(time.Second)
				is("booted", 5, 5, 5)
				w.SetReplicas(1)
				is("removed", 1, 1, 1)
				w.SetNodes(3)
				w.SetReplicas(6)
				time.Sleep(time.Hour)
				is("no room", 6, 6, 3)
				w.SetNodes(0)
				time.Sleep(time.Hour)
				is("room", 6, 6, 6)
				w.SetQuota(7)
				w.SetReplicas(9)
				time.Sleep(time.Hour)
				is("a quota", 9, 7, 7)
				w.SetReplicas(3)
				w.SetQuota(0)
				w.Deploy()
				is("a rollout", 3, 6, 3)
				time.Sleep(time.Hour)
				is("rolled out", 3, 3, 3)
				s.StopControllers(true)
				w.SetReplicas(4)
				time.Sleep(time.Hour)
				is("without controllers", 4, 3, 3)
			})
		})
	}
}

// An HPA orders at its next look, unless there are 0 replicas.
func TestHPA(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 8})
		h := s.AddHPA(kubetest.HPAConfig{Name: "web", Target: "web", Max: 4, ScaledObject: "web"})
		if w.Replicas() != 4 {
			t.Errorf("at once it has %d replicas, want 4", w.Replicas())
		}
		h.SetDesired(3)
		w.SetReplicas(7)
		time.Sleep(14 * time.Second)
		if w.Replicas() != 7 {
			t.Errorf("before its next look there are %d, want 7", w.Replicas())
		}
		time.Sleep(time.Second)
		if w.Replicas() != 3 {
			t.Errorf("after its next look there are %d, want 3", w.Replicas())
		}
		w.SetReplicas(0)
		time.Sleep(time.Hour)
		if w.Replicas() != 0 {
			t.Errorf("switched off, there are %d, want 0", w.Replicas())
		}
		h.Remove()
		w.SetReplicas(9)
		time.Sleep(time.Hour)
		if w.Replicas() != 9 {
			t.Errorf("removed, there are %d, want 9", w.Replicas())
		}
	})
}

// A watch sends what there is, what happens, bookmarks, and 410 once its past is forgotten.
func TestWatch(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		open := func(query string) func() (kind, name string) {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+leases+"?watch=1"+query, nil)
			req.Header.Set("Authorization", "Bearer "+kubetest.Token)
			res, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
			r := bufio.NewReader(res.Body)
			return func() (string, string) {
				line, err := r.ReadBytes('\n')
				if err != nil {
					return "end", ""
				}
				var e struct {
					Type   string
					Object map[string]any
				}
				if err := json.Unmarshal(line, &e); err != nil {
					t.Fatal(err)
				}
				if e.Type == "ERROR" {
					return e.Type, e.Object["reason"].(string)
				}
				name, _ := field(e.Object, "metadata", "name").(string)
				return e.Type, name
			}
		}
		expect := func(next func() (string, string), kind, name string) {
			t.Helper()
			if k, n := next(); k != kind || n != name {
				t.Errorf("the next event is %s %s, want %s %s", k, n, kind, name)
			}
		}
		put := func(name string, n int) {
			s.Put(map[string]any{"kind": "Lease", "metadata": map[string]any{"name": name}, "spec": map[string]any{"leaseTransitions": n}})
		}
		put("a", 1)
		put("b", 1)
		all, one := open("&allowWatchBookmarks=true&timeoutSeconds=90"), open("&fieldSelector=metadata.name%3Db&resourceVersion=102")
		expect(all, "ADDED", "a")
		expect(all, "ADDED", "b")
		put("a", 2)
		put("b", 2)
		s.Delete("Lease", "", "a")
		for _, e := range [][2]string{{"MODIFIED", "a"}, {"MODIFIED", "b"}, {"DELETED", "a"}, {"BOOKMARK", ""}, {"BOOKMARK", ""}, {"end", ""}} {
			expect(all, e[0], e[1])
		}
		expect(one, "MODIFIED", "b")
		s.EndWatches()
		expect(one, "end", "")
		s.Compact()
		expect(open("&resourceVersion=102"), "ERROR", "Expired")
	})
}

// Faults strike the requests that they name, and an account can be cut off.
func TestFaults(t *testing.T) {
	s, c := newWeb(t)
	s.AddAccount("other", kubetest.Account{Name: "other", Rules: []kubetest.Rule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}})
	other := as(t, s, "other")
	try := func(c caller) error {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", c.url+web, nil)
		req.Header.Set("Authorization", "Bearer "+c.token)
		res, err := c.client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode != 200 {
				return errors.New(res.Status)
			}
		}
		return err
	}
	s.Inject(kubetest.Error(500, "InternalError", "etcdserver: request timed out"), kubetest.Fault{Verb: "get", Reset: true, Skip: 1})
	for i, want := range []string{"500", "", "EOF", ""} {
		if err := try(c); (err == nil) != (want == "") {
			t.Errorf("request %d: %v, want %q", i, err, want)
		}
	}
	s.Inject(kubetest.TooManyRequests(3 * time.Second))
	if err := try(c); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("of too many requests: %v", err)
	}
	s.ClearFaults()
	s.Inject(kubetest.Fault{GoAway: true})
	s.Cut("other", true)
	if err := errors.Join(try(c), try(c)); err != nil {
		t.Errorf("after GOAWAY, and while another is cut off: %v", err)
	}
	if try(other) == nil {
		t.Error("an account that is cut off got an answer")
	}
	s.Cut("other", false)
	if err := try(other); err != nil {
		t.Errorf("let in again: %v", err)
	}
	last := s.Requests()[len(s.Requests())-1]
	if last.Account != "other" || last.Status != 200 || last.Path != web {
		t.Errorf("the last request is %+v", last)
	}
}
