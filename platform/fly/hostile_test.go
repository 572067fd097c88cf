package fly_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

const (
	creates = "/v1/apps/*/machines"
	starts  = "/v1/apps/*/machines/*/start"
	stops   = "/v1/apps/*/machines/*/stop"
	cordons = "/v1/apps/*/machines/*/cordon"
)

// A behind answers lists as they were some time ago.
type behind struct {
	next http.RoundTripper
	by   time.Duration

	mu    sync.Mutex
	lists []list
}

type list struct {
	at   time.Time
	body []byte
}

func (b *behind) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet {
		return res, err
	}
	body, _ := io.ReadAll(res.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists = append(b.lists, list{time.Now(), body})
	old := b.lists[0].body
	for _, l := range b.lists {
		if time.Since(l.at) >= b.by {
			old = l.body
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(old))
	return res, nil
}

func TestInterrupted(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	for i := range 3 {
		s.Add(flytest.Machine{Group: "web", State: []string{"started", "stopped", "stopped"}[i]})
	}
	platformsuite.Interrupted(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(flytest.App, "web")
	})
	if n := len(s.Machines()); n != 3 {
		t.Errorf("%d machines", n)
	}
}

// A list that is behind leads to no more machines than were ordered, and to no less.
func TestListBehind(t *testing.T) {
	for _, by := range []time.Duration{30 * time.Second, time.Minute} {
		s := flytest.NewServer()
		defer s.Close()
		transport := s.Transport()
		synctest.Test(t, func(t *testing.T) {
			web := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: &behind{next: transport, by: by}}).Scaler(flytest.App, "web")
			for range 3 {
				s.Add(flytest.Machine{Group: "web"})
			}
			for range 10 {
				_ = web.Scale(t.Context(), 10)
				if c, err := web.Capacity(t.Context()); err != nil || c.Desired != 10 {
					t.Errorf("%v behind: %+v, %v", by, c, err)
				}
				time.Sleep(30 * time.Second)
			}
			if got := states(s); got["started"] != 10 || len(got) != 1 || s.Count("POST", creates) != 7 {
				t.Errorf("%v behind: %v after %d creates", by, got, s.Count("POST", creates))
			}
		})
	}
}

// Machines that a list shows as lost are made good for once, and no more.
func TestLostMachines(t *testing.T) {
	old := time.Now().Add(-365 * 24 * time.Hour * 100) // also in a bubble's year
	for _, tt := range []struct {
		name    string
		lost    flytest.Machine // seven of them
		desired int             // of 3 machines beside them
		creates int             // of an order of 10, however often
	}{
		{"destroyed", flytest.Machine{State: "destroyed"}, 3, 7},
		{"launch_failed", flytest.Machine{State: "launch_failed"}, 3, 7},
		{"failed", flytest.Machine{State: "failed"}, 3, 7},
		{"stopped, and the host does not answer", flytest.Machine{State: "stopped", Host: "unreachable"}, 3, 7},
		{"stopping for long", flytest.Machine{State: "stopping", Updated: old}, 3, 7},
		{"started, and the host does not answer", flytest.Machine{Host: "unreachable"}, 10, 0},
		{"started, and the host is not known", flytest.Machine{Host: "unknown"}, 10, 0},
		{"updating for long", flytest.Machine{State: "updating", Updated: old}, 10, 0},
		{"a state that is not known", flytest.Machine{State: "migrating"}, 10, 0},
		{"stopped", flytest.Machine{State: "stopped"}, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
				for range 3 {
					s.Add(flytest.Machine{Group: "web"})
				}
				for range 7 {
					m := tt.lost
					m.Group = "web"
					s.Add(m)
				}
				if c, err := web.Capacity(t.Context()); err != nil || c.Desired != tt.desired {
					t.Errorf("%+v, %v", c, err)
				}
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					if err := web.Scale(ctx, 10); err != nil {
						t.Error(err)
					}
					cancel()
					time.Sleep(30 * time.Second)
				}
				if c, err := web.Capacity(t.Context()); err != nil || c.Desired != 10 || s.Count("POST", creates) != tt.creates {
					t.Errorf("%+v, %v after %d creates, want %d", c, err, s.Count("POST", creates), tt.creates)
				}
			})
		})
	}
}

// Clones that fail, whichever way, are created one at a time, and never without end.
func TestFailingClones(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(m *flytest.Machine) bool
		most   int // in two hours
	}{
		"vanish":        {func(*flytest.Machine) bool { return false }, 40},
		"fail":          {func(m *flytest.Machine) bool { m.State = "failed"; return true }, 5},
		"launch_failed": {func(m *flytest.Machine) bool { m.State = "launch_failed"; return true }, 40},
		"exit":          {func(m *flytest.Machine) bool { m.State = "stopped"; return true }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
				s.Add(flytest.Machine{Group: "web"})
				before := 0
				for i := range 240 {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					_ = web.Scale(ctx, 6)
					cancel()
					if n := s.Count("POST", creates); i > 0 && n > before+1 {
						t.Errorf("order %d created %d machines", i, n-before)
					} else {
						before = n
					}
					s.Change(func(m *flytest.Machine) bool { return !strings.HasPrefix(m.Name, "autoscale-") || tt.change(m) })
					time.Sleep(30 * time.Second)
				}
				if before > tt.most {
					t.Errorf("%d creates in two hours, want at most %d", before, tt.most)
				}
			})
		})
	}
	// Once they live, the order is carried out.
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		_ = web.Scale(t.Context(), 3)
		_, _ = web.Capacity(t.Context()) // whose list has them
		s.Change(func(m *flytest.Machine) bool { return !strings.HasPrefix(m.Name, "autoscale-") })
		var sizes []int
		for range 8 {
			time.Sleep(30 * time.Second)
			_ = web.Scale(t.Context(), 8)
			sizes = append(sizes, states(s)["started"])
		}
		if want := []int{2, 2, 4, 4, 8, 8, 8, 8}; !slices.Equal(sizes, want) {
			t.Errorf("sizes %v, want %v", sizes, want)
		}
	})
}

// A pool of machines with volumes is as large as it is, with those that stop and those that
// are not to be reached.
func TestVolumes(t *testing.T) {
	volume := map[string]any{"mounts": []any{map[string]any{"volume": "vol_1"}}}
	for _, tt := range []struct {
		name  string
		other flytest.Machine
		size  int
		limit int // 0: busy
	}{
		{"stopping", flytest.Machine{State: "stopping"}, 2, 0},
		{"stopping, and too few", flytest.Machine{State: "stopping"}, 4, 2},
		{"not to be reached", flytest.Machine{State: "stopped", Host: "unreachable"}, 2, 0},
		{"not to be reached, and too few", flytest.Machine{State: "stopped", Host: "unreachable"}, 4, 2},
		{"gone", flytest.Machine{State: "destroyed"}, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
				s.Add(flytest.Machine{Group: "web", Config: volume})
				tt.other.Group, tt.other.Config, tt.other.Updated = "web", volume, time.Now()
				s.Add(tt.other)
				err := web.Scale(t.Context(), tt.size)
				var limit *autoscale.LimitError
				var busy *autoscale.BusyError
				if errors.As(err, &limit) != (tt.limit > 0) || errors.As(err, &busy) != (tt.limit == 0) || limit != nil && (limit.Limit != tt.limit || limit.Size != tt.size) {
					t.Errorf("got %v, want the limit %d", err, tt.limit)
				}
			})
		})
	}
}

// A machine that refuses to start keeps no other machine from being created, and has another
// one in its place after two minutes.
func TestRefusedStarts(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		stuck := s.Add(flytest.Machine{Group: "web", State: "stopped"})
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines/" + stuck + "/start", Status: 409, Body: `{"error":"aborted: could not reserve resource for your machine: insufficient memory available to fulfill request"}`, Times: -1})
		var part *autoscale.PartialError
		if err := web.Scale(t.Context(), 4); !errors.As(err, &part) || part.Reached != 3 {
			t.Errorf("the first order: %v", err)
		}
		for range 10 {
			time.Sleep(30 * time.Second)
			_ = web.Scale(t.Context(), 4)
		}
		if got := states(s); got["started"] != 4 || got["stopped"] != 1 {
			t.Errorf("after five minutes: %v", got)
		}
		s.ClearFaults()
		time.Sleep(10 * time.Minute)
		if err := web.Scale(t.Context(), 5); err != nil || states(s)["started"] != 5 || len(s.Machines()) != 5 {
			t.Errorf("once it starts again: %v, %v", err, states(s))
		}
	})
	// It can be cloned, also if there is no other one.
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		stuck := s.Add(flytest.Machine{Group: "web", State: "stopped"})
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines/" + stuck + "/start", Status: 409, Times: -1})
		for range 10 {
			_ = web.Scale(t.Context(), 1)
			time.Sleep(30 * time.Second)
		}
		if got := states(s); got["started"] != 1 || got["stopped"] != 1 {
			t.Errorf("one machine alone: %v", got)
		}
	})
	// Where none starts, the pool does not grow without end.
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		s.Inject(platformtest.Fault{Method: "POST", Path: starts, Status: 409, Times: -1})
		for range 100 {
			_ = web.Scale(t.Context(), 4)
			for range 8 {
				time.Sleep(30 * time.Second)
				_ = web.Scale(t.Context(), 4)
			}
			_ = web.Scale(t.Context(), 1)
		}
		if n := len(s.Machines()); n > 13 {
			t.Errorf("%d machines for a size of 4", n)
		}
	})
}

// An order whose answers are lost does no more than was ordered, and the next one does the
// rest.
func TestLostAnswers(t *testing.T) {
	for _, apply := range []bool{true, false} {
		for _, fault := range []platformtest.Fault{{Reset: true}, {Status: 500}, {Status: 408}, {Hang: true}, {Truncate: true}} {
			t.Run(fmt.Sprintf("%+v", fault), func(t *testing.T) {
				bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
					for i := range 10 {
						s.Add(flytest.Machine{Group: "web", State: []string{"started", "stopped"}[i/5]})
					}
					order := func(size int) {
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						_ = web.Scale(ctx, size)
					}
					fault.Method, fault.Times, fault.Apply = "POST", -1, apply
					for _, size := range []int{7, 3} {
						s.ClearFaults()
						s.Inject(fault)
						before := states(s)["started"]
						order(size)
						if n := states(s)["started"]; n < min(before, size) || n > max(before, size) {
							t.Errorf("%d of %d started after an order of %d", n, before, size)
						}
						s.ClearFaults()
						order(size)
						if n := states(s)["started"]; n != size || len(s.Machines()) != 10 {
							t.Errorf("%d started of %d, want %d", n, len(s.Machines()), size)
						}
						for _, m := range s.Machines() {
							if m.State == "started" && m.Cordoned {
								t.Errorf("machine %s runs without requests", m.ID)
							}
						}
					}
				})
			})
		}
	}
}

// Machines that are gone between the list and the order are no failure.
func TestVanishBetween(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for range 4 {
			s.Add(flytest.Machine{Group: "web"})
		}
		vanish := func(id, verb string) {
			s.ClearFaults()
			s.Inject(platformtest.Fault{Path: "/v1/apps/*/machines/" + id + "/" + verb, Status: 404, Body: `{"error":"machine not found"}`, Times: -1})
		}
		vanish("e286500001", "*")
		if err := web.Scale(t.Context(), 2); err != nil || s.Count("POST", "/v1/apps/*/machines/e286500001/stop") != 1 {
			t.Errorf("to stop: %v", err)
		}
		s.Change(func(m *flytest.Machine) bool { return m.ID != "e286500001" })
		vanish("e286500002", "start")
		if err := web.Scale(t.Context(), 4); err != nil || states(s)["started"] != 4 || s.Count("POST", "/v1/apps/*/machines/e286500002/start") != 1 {
			t.Errorf("to start: %v, %v", err, states(s))
		}
	})
}

// A hundred machines of several regions and groups.
func TestHundred(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for i, region := range []string{"ams", "ord", "syd"} {
			s.Add(flytest.Machine{Group: "web", Region: region, State: []string{"started", "stopped", "suspended"}[i]})
			s.Add(flytest.Machine{Group: "worker", Region: region})
			s.Add(flytest.Machine{Group: "web-1", Region: region, State: "stopped"})
		}
		regions := func() map[string]int {
			n := make(map[string]int)
			for _, m := range s.Machines() {
				if m.Group == "web" && m.State == "started" {
					n[m.Region]++
				}
			}
			return n
		}
		for _, size := range []int{99, 3, 0, 1, 60, 99} {
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
				err := web.Scale(ctx, size)
				cancel()
				var part *autoscale.PartialError
				if err != nil && !errors.As(err, &part) {
					t.Fatalf("%d: %v", size, err)
				}
				time.Sleep(30 * time.Second)
			}
			least, most, sum := size, 0, 0
			for n := range maps.Values(regions()) {
				least, most, sum = min(least, n), max(most, n), sum+n
			}
			if sum != size || most-least > 1 && size > 2 {
				t.Errorf("%d: %v", size, regions())
			}
		}
		groups := make(map[string]int)
		for _, m := range s.Machines() {
			groups[m.Group+" "+m.State]++
		}
		if want := map[string]int{"web started": 99, "worker started": 3, "web-1 stopped": 3}; !maps.Equal(groups, want) {
			t.Errorf("groups: %v", groups)
		}
	})
}

// Two errors are one that ends by itself only if both do.
func TestMixedRefusals(t *testing.T) {
	for status, want := range map[int]bool{423: true, 403: false} {
		bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
			s.Add(flytest.Machine{Group: "web"})
			a := s.Add(flytest.Machine{Group: "web", State: "stopped"})
			s.Add(flytest.Machine{Group: "web", State: "stopped"})
			s.Inject(platformtest.Fault{Path: "/v1/apps/*/machines/" + a + "/start", Status: 409}, platformtest.Fault{Path: starts, Status: status, Header: http.Header{"Retry-After": {"40"}}})
			var busy *autoscale.BusyError
			if err := web.Scale(t.Context(), 3); err == nil || errors.As(err, &busy) != want || want && busy.RetryAfter != 40*time.Second {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
}

// The errors of many machines are a text fit for a log.
func TestManyRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for range 100 {
			s.Add(flytest.Machine{Group: "web"})
		}
		s.Inject(platformtest.Fault{Path: stops, Status: 403, Body: `{"error":"no"}`, Times: -1})
		err := web.Scale(t.Context(), 1)
		if err == nil || !strings.Contains(err.Error(), "and 96 more") {
			t.Errorf("error %v", err)
		} else {
			platformsuite.Text(t, "the error", err.Error())
		}
	})
}
