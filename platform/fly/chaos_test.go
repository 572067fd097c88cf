package fly_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Whatever happens in many ticks of two seconds, an order never does more than was
// ordered, the machines do not grow without end, and once all is well the size is the one
// that was ordered.
func TestLivingApp(t *testing.T) {
	for seed := range uint64(2) {
		for _, lag := range []time.Duration{0, 20 * time.Second} {
			t.Run(fmt.Sprintf("%d, lists %v behind", seed, lag), func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 1)), lag) })
		}
	}
}

func chaos(t *testing.T, random *rand.Rand, lag time.Duration) {
	const most = 12
	s := flytest.NewServer()
	defer s.Close()
	transport := s.Transport()
	synctest.Test(t, func(t *testing.T) {
		web := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: &behind{next: transport, by: lag}}).Scaler(flytest.App, "web")
		for _, region := range []string{"ams", "ord"} {
			s.Add(flytest.Machine{Group: "web", Region: region, Checks: []string{"passing"}})
		}
		gone, size := 0, 2
		order := func() {
			t.Helper()
			before := states(s)["started"]
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			start := time.Now()
			_ = web.Scale(ctx, size)
			if took := time.Since(start); took > 3100*time.Millisecond {
				t.Errorf("an order took %v", took)
			}
			cancel()
			if n := states(s)["started"]; lag == 0 && (n > max(before, size) || n < min(before, size)) {
				t.Errorf("%d were started, %d were ordered, and %d are started", before, size, n)
			}
		}
		var log []string
		for range 300 {
			switch random.IntN(12) {
			case 0, 1:
				size = random.IntN(most + 1)
				log = append(log, fmt.Sprint("size ", size))
			case 2, 3:
				path := []string{creates, starts, stops, cordons, "/v1/apps/*/machines/*/uncordon", ""}[random.IntN(6)]
				fault := []platformtest.Fault{{Reset: true}, {Hang: true}, {Truncate: true}, {Status: 500}, {Status: 429}, {Status: 409}, {Status: 404}, {Status: 408}, {Delay: 700 * time.Millisecond}}[random.IntN(9)]
				fault.Path, fault.Times, fault.Skip = path, 1+random.IntN(4), random.IntN(3)
				fault.Apply = random.IntN(2) == 0 && fault.Status != 409 && fault.Status != 404 && fault.Status != 429
				s.Inject(fault)
				log = append(log, fmt.Sprintf("%+v", fault))
			case 4:
				if list := s.Machines(); len(list) > 1 {
					id := list[1+random.IntN(len(list)-1)].ID
					what := random.IntN(5)
					if what == 0 {
						gone++
					}
					s.Change(func(m *flytest.Machine) bool {
						if m.ID == id {
							switch what {
							case 1:
								m.State = "failed"
							case 2:
								m.Host = "unreachable"
							case 3:
								m.State = "stopped"
							}
						}
						return m.ID != id || what != 0
					})
					log = append(log, fmt.Sprint(id, " ", what))
				}
			case 5:
				s.Change(func(m *flytest.Machine) bool {
					m.Host = "ok"
					return true
				})
			case 6:
				s.ClearFaults()
			}
			order()
			if random.IntN(3) == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				if c, err := web.Capacity(ctx); err == nil && (c.Desired < 0 || c.Pending > c.Desired) {
					t.Errorf("%+v", c)
				}
				cancel()
			}
			time.Sleep(2 * time.Second)
		}
		s.ClearFaults()
		s.Change(func(m *flytest.Machine) bool {
			m.Host = "ok"
			return m.State != "failed"
		})
		size = 7
		for range 60 {
			order()
			time.Sleep(30 * time.Second)
		}
		if got := states(s); got["started"] != size {
			t.Errorf("all is well, and the states are %v, want %d started", got, size)
		}
		if n := len(s.Machines()); n > 3*most {
			t.Errorf("%d machines for sizes of at most %d", n, most)
		}
		for _, m := range s.Machines() {
			if m.State == "started" && m.Cordoned {
				t.Errorf("machine %s runs without requests", m.ID)
			}
		}
		if t.Failed() {
			for _, line := range log[max(0, len(log)-30):] {
				t.Log(line)
			}
		}
	})
}
