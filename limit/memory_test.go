package limit_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/autoscalebot/autoscale/limit"
)

func TestMoves(t *testing.T) {
	m := new(limit.Memory)
	for i := range 100 {
		m.Moved(start.Add(time.Duration(i)*time.Minute), i, i+1)
	}
	if n := len(m.Moves); n != 64 || m.Moves[0].From != 36 || m.Moves[63].To != 100 {
		t.Errorf("%d moves: %v", n, m.Moves)
	}
	now := start.Add(99 * time.Minute)
	for _, tt := range []struct {
		period     time.Duration
		size, want int
	}{
		{10 * time.Minute, 100, 89}, // from 89, ten minutes ago
		{0, 100, 99},
		{time.Hour, 39, 100},
		{time.Hour, 100, 39},
	} {
		if got := m.Moves.Furthest(now, tt.period, tt.size); got != tt.want {
			t.Errorf("furthest from %d within %v: %d, want %d", tt.size, tt.period, got, tt.want)
		}
	}
	if got := limit.Moves(nil).Furthest(now, time.Hour, 7); got != 7 {
		t.Errorf("without moves: %d", got)
	}
}

func TestPermits(t *testing.T) {
	m := new(limit.Memory)
	if got := m.Permitted(start); got != math.MaxInt {
		t.Errorf("at first %d are permitted", got)
	}
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for _, tt := range []struct {
		at   time.Duration
		size int
		news bool
	}{
		{0, 10, true}, {time.Minute, 10, false}, {2 * time.Minute, 8, true}, {63 * time.Minute, 8, true}, {64 * time.Minute, 0, true},
	} {
		if news := m.Permits(at(tt.at), tt.size, 0); news != tt.news {
			t.Errorf("after %v, %d: news is %v", tt.at, tt.size, news)
		}
		if got := m.Permitted(at(tt.at + time.Hour - 1)); got != tt.size {
			t.Errorf("after %v: permitted is %d, want %d", tt.at, got, tt.size)
		}
		if got := m.Permitted(at(tt.at + time.Hour)); got != math.MaxInt {
			t.Errorf("after %v and an hour: permitted is still %d", tt.at, got)
		}
	}
	m.Permits(start, -5, 0)
	if got := m.Permitted(start); got != 0 {
		t.Errorf("-5 became %d", got)
	}
}

// TestPermitsFor has a platform say for how long its limit can be believed. Whatever it
// says, the same limit is news once an hour.
func TestPermitsFor(t *testing.T) {
	for _, tt := range []struct{ says, believed time.Duration }{
		{0, time.Hour},
		{-time.Minute, time.Hour},
		{time.Second, time.Second},
		{5 * time.Minute, 5 * time.Minute},
		{time.Hour, time.Hour},
		{time.Hour + 1, time.Hour},
		{1 << 62, time.Hour},
	} {
		m := new(limit.Memory)
		if !m.PermittedUntil(start).IsZero() {
			t.Error("a limit that nobody said is believed")
		}
		m.Permits(start, 4, tt.says)
		until := start.Add(tt.believed)
		if got := m.PermittedUntil(start); !got.Equal(until) {
			t.Errorf("%v: believed until %v, want %v", tt.says, got, until)
		}
		if m.Permitted(until.Add(-1)) != 4 || m.Permitted(until) != math.MaxInt || !m.PermittedUntil(until).IsZero() {
			t.Errorf("%v: believed for another time than %v", tt.says, tt.believed)
		}
	}
	m, news := new(limit.Memory), 0
	for minute := range 121 {
		if m.Permits(start.Add(time.Duration(minute)*time.Minute), 4, 5*time.Minute) {
			news++
		}
	}
	if news != 3 {
		t.Errorf("in two hours the same limit was news %d times", news)
	}
	m.Permits(start, 4, 0)
	if back := start.Add(-1); m.Permitted(back) != math.MaxInt || !m.PermittedUntil(back).IsZero() {
		t.Errorf("after a clock was put back, a limit is believed for more than an hour: until %v", m.PermittedUntil(back))
	}
	if !m.Permits(start.Add(-time.Hour), 4, 0) {
		t.Error("a clock that was put back silences the limit")
	}
}

// TestTrim has lists that are longer than they can have become, as of another release.
func TestTrim(t *testing.T) {
	s := newService(limit.Limits{Down: limit.Behavior{Stabilization: time.Hour}}, 5)
	s.every = time.Minute + time.Second
	s.ticks(5, 6, 7)
	for range 7 {
		s.memory.Recommendations = append(s.memory.Recommendations, s.memory.Recommendations...)
		s.memory.Moves = append(s.memory.Moves, s.memory.Moves...)
	}
	newest := s.memory.Moves[len(s.memory.Moves)-1]
	s.memory.Trim()
	if r, m := len(s.memory.Recommendations), len(s.memory.Moves); r != 60 || m != 64 || s.memory.Moves[63] != newest {
		t.Errorf("%d recommendations and %d moves", r, m)
	}
}

// anyLimits returns random limits, and the service that they apply to.
func anyLimits(random *rand.Rand) *service {
	pick := func(of ...int) int { return of[random.IntN(len(of))] }
	duration := func(of ...int) time.Duration { return time.Duration(pick(of...)) * time.Second }
	rate := func() (r limit.Rate) {
		if pick(0, 1) == 1 {
			r = limit.Rate{Processes: pick(0, 2, 5), Share: float64(pick(1, 10, 100)) / 100, Period: duration(60, 600)}
		}
		return r
	}
	behavior := func() limit.Behavior {
		return limit.Behavior{Cooldown: duration(0, 0, 60, 300), Stabilization: duration(0, 0, 60, 900), Step: pick(0, 0, 1, 4), Rate: rate()}
	}
	l := limit.Limits{
		Up: behavior(), Down: behavior(), CooldownCoversBoot: pick(0, 1) == 1, Tolerance: float64(pick(0, 0, 10, 29)) / 100,
		Forecast:           limit.Forecast{Share: float64(pick(0, 0, 60, 100)) / 100, Lead: duration(0, 1200)},
		DiminishingReturns: limit.DiminishingReturns{After: pick(0, 1, 3), Hold: duration(0, 300)},
	}
	if pick(0, 1) == 1 {
		l.Budget = limit.Budget{Hours: float64(pick(50, 200, 2000)), Per: limit.Period(pick(0, 1))}
	}
	s := newService(l, pick(0, 1, 5))
	s.input.Min, s.input.Max = pick(0, 1, 2), pick(3, 10, 60)
	s.input.Boot = duration(0, 45)
	s.every = duration(30, 30, 600, 7200)
	return s
}

// step changes what the service is told, and ticks.
func (s *service) step(random *rand.Rand) limit.Outcome {
	in := &s.input
	in.Paused = random.IntN(40) == 0
	in.Maintenance = random.IntN(40) == 0
	in.Yielding = random.IntN(40) == 0
	in.Override, in.OverrideSize = random.IntN(20) == 0, random.IntN(80)
	in.BusyUntil, in.DeployingUntil = in.Now.Add(time.Duration(random.IntN(8)-5)*s.every), in.Now.Add(time.Duration(random.IntN(8)-5)*s.every)
	in.Symptoms = nil
	for i := range random.IntN(4) {
		in.Symptoms = append(in.Symptoms, limit.Symptom{At: in.Now.Add(-time.Duration(i) * s.every), Wait: random.Float64(), Work: float64(random.IntN(3))})
	}
	if random.IntN(30) == 0 {
		s.memory.Permits(in.Now, random.IntN(60), time.Duration(random.IntN(90))*time.Minute)
	}
	if random.IntN(30) == 0 { // somebody else
		to := random.IntN(80)
		s.memory.Moved(in.Now, in.Size, to)
		in.Size = to
	}
	return s.tick(random.IntN(90) - 5)
}

// TestMemoryOutlivesALeader sends the memory through JSON in the middle of random
// scripts. The outcomes that follow must not change.
func TestMemoryOutlivesALeader(t *testing.T) {
	for seed := range uint64(120) {
		var scripts [2][]limit.Outcome
		for i := range scripts {
			random := rand.New(rand.NewPCG(seed, 1))
			s := anyLimits(random)
			for tick := range 150 {
				out := s.step(random)
				out.Adjustments = append([]limit.Adjustment(nil), out.Adjustments...)
				scripts[i] = append(scripts[i], out)
				if i == 1 && tick%7 == int(seed%7) {
					s.reload(t)
				}
			}
		}
		if diff := cmp.Diff(scripts[0], scripts[1]); diff != "" {
			t.Fatalf("seed %d: without a new leader, and with (-one leader +many):\n%s", seed, diff)
		}
	}
}

// TestMemoryIsBounded fills a memory, and looks at its length as JSON.
func TestMemoryIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 8 {
		s := anyLimits(random)
		for range 2000 {
			s.step(random)
		}
		data, err := json.Marshal(s.memory)
		if err != nil || len(data) > 20<<10 {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
}

// FuzzApply checks what must hold of any limits and any recommendations.
func FuzzApply(f *testing.F) {
	f.Add(uint64(1), []byte{9, 2, 200, 0, 255, 7, 7, 7, 1, 1, 1, 1})
	f.Add(uint64(2), []byte{0, 0, 255, 255, 0, 0})
	f.Add(uint64(3), []byte{50, 60, 70, 80, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, seed uint64, recommended []byte) {
		s := anyLimits(rand.New(rand.NewPCG(seed, 2)))
		l, in := s.limits, &s.input
		in.Size = min(max(in.Size, in.Min), in.Max)
		for _, b := range recommended[:min(len(recommended), 300)] {
			in.BusyUntil, in.DeployingUntil = time.Time{}, time.Time{}
			held := limit.ByUndecided
			switch b % 16 {
			case 3:
				in.BusyUntil, held = in.Now.Add(2*s.every), limit.ByBusy
			case 5:
				in.DeployingUntil, held = in.Now.Add(2*s.every), limit.ByDeployment
			}
			twin := *s
			twin.reload(t)
			before := in.Size
			up := room(s.memory.Moves, in.Now.Add(s.every), before, l.Up.Rate, true)
			down := room(s.memory.Moves, in.Now.Add(s.every), before, l.Down.Rate, false)
			out := s.tick(int(b) - 5)
			size := out.Size
			if held != limit.ByUndecided && size != before {
				t.Fatalf("held by %v, from %d to %d: %+v", held, before, size, out)
			}
			if held == limit.ByBusy && (out.NextUp.Before(in.BusyUntil) || out.NextDown.Before(in.BusyUntil)) {
				t.Fatalf("busy until %v, and orders are said to be possible from %v and %v", in.BusyUntil, out.NextUp, out.NextDown)
			}
			switch {
			case size < in.Min || size > in.Max:
				t.Fatalf("%d is outside %d to %d: %+v", size, in.Min, in.Max, out)
			case out.By == limit.ByBudget && size == in.Min:
			case l.Up.Step > 0 && size > before+l.Up.Step, l.Down.Step > 0 && size < before-l.Down.Step:
				t.Fatalf("from %d to %d, past the step: %+v", before, size, out)
			case size > before+up, size < before-down:
				t.Fatalf("from %d to %d, past the rate, which leaves +%d or -%d: %+v", before, size, up, down, out)
			}
			follow := max(int(b)-5, 0)
			for _, a := range out.Adjustments {
				if a.From != follow || a.To == a.From {
					t.Fatalf("the adjustments do not follow from %d: %+v", int(b)-5, out.Adjustments)
				}
				follow = a.To
			}
			if follow != size {
				t.Fatalf("the adjustments end at %d, and %d is ordered: %+v", follow, size, out)
			}
			if again := twin.tick(int(b) - 5); !cmp.Equal(again, out, cmpopts.EquateEmpty()) {
				t.Fatalf("the same memory and input:\n%+v\n%+v", out, again)
			}
		}
	})
}

// room returns how many processes a rate leaves, as its documentation says.
func room(moves limit.Moves, now time.Time, size int, r limit.Rate, up bool) int {
	if r.Period == 0 {
		return math.MaxInt / 2
	}
	began, moved := size, 0
	for _, m := range moves {
		if now.Sub(m.At) < r.Period {
			began += m.From - m.To
			if up == (m.To > m.From) {
				moved += max(m.To-m.From, m.From-m.To)
			}
		}
	}
	return max(max(r.Processes, 1, int(math.Ceil(float64(began)*r.Share-1e-6)))-moved, 0)
}
