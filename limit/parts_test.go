package limit_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/limit"
)

// TestBudget orders ten processes, and looks at when the hours are spent.
func TestBudget(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		budget limit.Budget
		from   time.Time
		spent  time.Duration // after the first tick, when the size becomes Min
		again  time.Duration // when it is ten again
	}{
		{"a day", limit.Budget{Hours: 100}, start, 10 * time.Hour, 24 * time.Hour},
		{"a day that has begun", limit.Budget{Hours: 100}, start.Add(8 * time.Hour), 10 * time.Hour, 16 * time.Hour},
		{"a day in Berlin", limit.Budget{Hours: 100, Location: berlin}, start, 10 * time.Hour, 23 * time.Hour},
		{"a month", limit.Budget{Hours: 994, Per: limit.Month}, time.Date(2026, 7, 20, 0, 0, 0, 0, time.UTC), 99*time.Hour + 30*time.Minute, 12 * 24 * time.Hour},
		{"two days", limit.Budget{Hours: 100}, start.Add(16 * time.Hour), 18 * time.Hour, 32 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(limit.Limits{Budget: tt.budget}, 10)
			s.input.Min, s.input.Now, s.every = 1, tt.from, 10*time.Minute
			s.input.Now = s.input.Now.Add(-s.every)
			var spent, again time.Duration
			for again == 0 && s.input.Now.Sub(tt.from) < 1000*time.Hour {
				out := s.tick(10)
				since := s.input.Now.Sub(tt.from)
				switch {
				case spent == 0 && out.Size == 1:
					spent = since
					if out.By != limit.ByBudget || out.Spent < 1 {
						t.Errorf("by %v, spent %v", out.By, out.Spent)
					}
				case spent > 0 && out.Size == 10:
					again = since
				}
			}
			if spent != tt.spent || again != tt.again {
				t.Errorf("spent after %v, and again after %v; want %v, %v", spent, again, tt.spent, tt.again)
			}
		})
	}
}

// TestBudgetCountsTheOrderedSize: the hours between two ticks are those of the size that
// was ordered, and a clock that is put back takes none away.
func TestBudgetCountsTheOrderedSize(t *testing.T) {
	s := newService(limit.Limits{Budget: limit.Budget{Hours: 100}}, 1)
	s.every = time.Hour
	s.ticks(10, 10)
	if got := s.memory.Spending.Hours; got != 10 {
		t.Errorf("%v hours, want 10", got)
	}
	s.input.Now = s.input.Now.Add(-2 * time.Hour)
	s.tick(10)
	if got := s.memory.Spending.Hours; got != 10 {
		t.Errorf("%v hours after the clock was put back, want 10", got)
	}
	// Of the time between two ticks, what was before the period does not count.
	s = newService(limit.Limits{Budget: limit.Budget{Hours: 1000, Per: limit.Month}}, 10)
	s.input.Now = time.Date(2026, 7, 31, 0, 0, 0, 0, time.UTC)
	s.tick(10)
	s.input.Now = time.Date(2026, 8, 2, 12, 0, 0, 0, time.UTC).Add(-s.every)
	s.tick(10)
	if got := s.memory.Spending.Hours; got != 360 {
		t.Errorf("%v hours since 1 August, want 360", got)
	}
	s.limits.Budget = limit.Budget{}
	if out := s.tick(10); out.Spent != 0 || s.memory.Spending.Hours != 0 {
		t.Errorf("without a budget: %v, %+v", out.Spent, s.memory.Spending)
	}
}

// TestForecast recommends 8 at noon of some days, and looks at the forecast for another.
func TestForecast(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	clocks := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin) // they were put forward in the night
	for _, tt := range []struct {
		name     string
		forecast limit.Forecast
		boot     time.Duration
		at       time.Time
		known    map[time.Duration]int // what was recommended, by how long before
		want     int
	}{
		{"nothing is known", limit.Forecast{Share: 1}, 0, noon, nil, 1},
		{"yesterday", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{24 * time.Hour: 8}, 8},
		{"a share of it", limit.Forecast{Share: .6}, 0, noon, map[time.Duration]int{24 * time.Hour: 8}, 5},
		{"a week ago", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{7 * 24 * time.Hour: 8}, 8},
		{"the lower of both", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{24 * time.Hour: 8, 7 * 24 * time.Hour: 6}, 6},
		{"two days ago", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{48 * time.Hour: 8}, 1},
		{"no lead", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{24*time.Hour - 20*time.Minute: 8}, 1},
		{"a lead", limit.Forecast{Share: 1, Lead: 20 * time.Minute}, 0, noon, map[time.Duration]int{24*time.Hour - 20*time.Minute: 8}, 8},
		{"the boot time leads", limit.Forecast{Share: 1}, 20 * time.Minute, noon, map[time.Duration]int{24*time.Hour - 20*time.Minute: 8}, 8},
		{"a boot time of a day", limit.Forecast{Share: 1}, 24 * time.Hour, noon, map[time.Duration]int{24*time.Hour - 3*time.Hour: 8}, 1},
		{"a longer lead", limit.Forecast{Share: 1, Lead: time.Hour}, 0, noon, map[time.Duration]int{24 * time.Hour: 3, 24*time.Hour - 30*time.Minute: 8}, 8},
		{"the clocks change", limit.Forecast{Share: 1, Location: berlin}, 0, clocks, map[time.Duration]int{23 * time.Hour: 8}, 8},
		{"the clocks of UTC do not", limit.Forecast{Share: 1}, 0, clocks, map[time.Duration]int{23 * time.Hour: 8}, 1},
		{"what is older than the ring is forgotten", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{40 * 24 * time.Hour: 8}, 1},
		{"and its buckets are empty", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{(7 + 8) * 24 * time.Hour: 8, 25 * time.Hour: 1}, 1},
		{"and empty one by one", limit.Forecast{Share: 1}, 0, noon, map[time.Duration]int{(7 + 8) * 24 * time.Hour: 8, 9 * 24 * time.Hour: 1, 25 * time.Hour: 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(limit.Limits{Forecast: tt.forecast}, 1)
			s.input.Boot = tt.boot
			for before := 60 * 24 * time.Hour; before > 0; before -= 10 * time.Minute {
				if size, ok := tt.known[before]; ok {
					s.input.Now = tt.at.Add(-before - s.every)
					s.tick(size)
				}
			}
			s.reload(t)
			s.input.Now, s.input.Size = tt.at.Add(-s.every), 1
			out := s.tick(1)
			if out.Size != tt.want || tt.want > 1 && out.By != limit.ByForecast {
				t.Errorf("%d by %v, want %d", out.Size, out.By, tt.want)
			}
		})
	}
}

// TestForecastSurvivesABadClock: a tick of the year 1 or of a month ago changes nothing.
func TestForecastSurvivesABadClock(t *testing.T) {
	s := newService(limit.Limits{Forecast: limit.Forecast{Share: 1}}, 1)
	s.tick(8)
	now := s.input.Now
	for _, bad := range []time.Time{time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), now.AddDate(0, -1, 0), now.AddDate(0, 0, -8)} {
		s.input.Now = bad
		s.tick(99)
	}
	s.input.Now = now.Add(24*time.Hour - s.every)
	if out := s.tick(1); out.Size != 8 {
		t.Errorf("%d by %v, want 8", out.Size, out.By)
	}
}

// TestPastFromElsewhere reads forecasts that no release wrote.
func TestPastFromElsewhere(t *testing.T) {
	for _, text := range []string{
		`{"past":{"newest":-5,"buckets":"AQID"}}`, `{"past":{"newest":9223372036854775807,"buckets":"AQID"}}`,
		`{"past":{"newest":2957800,"buckets":"AQID"}}`, `{"past":{"newest":2957800,"buckets":"/////////////////////////w=="}}`, `{"past":{}}`,
	} {
		m := new(limit.Memory)
		if err := json.Unmarshal([]byte(text), m); err != nil || !m.Past.IsZero() {
			t.Errorf("%s: %v, %+v", text, err, m.Past)
		}
	}
	if err := json.Unmarshal([]byte(`{"past":{"newest":"x"}}`), new(limit.Memory)); err == nil {
		t.Error("a text is read as a number")
	}
}

// TestDiminishingReturns has a load that calls for one process more in each tick.
func TestDiminishingReturns(t *testing.T) {
	symptom := func(wait, work float64) func(int) limit.Symptom {
		return func(int) limit.Symptom { return limit.Symptom{Wait: wait, Work: work} }
	}
	for _, tt := range []struct {
		name    string
		symptom func(size int) limit.Symptom
		want    int // the size after 9 ticks
	}{
		{"nothing helps", symptom(1, 10), 3},
		{"no throughput", symptom(1, 0), 3},
		{"the wait falls", func(n int) limit.Symptom { return limit.Symptom{Wait: 1 / float64(n)} }, 10},
		{"the wait falls a little", func(n int) limit.Symptom { return limit.Symptom{Wait: 1 - .01*float64(n)} }, 3},
		{"the throughput rises", func(n int) limit.Symptom { return limit.Symptom{Wait: 1, Work: float64(n)} }, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: 2, Hold: 10 * time.Minute}}, 1)
			s.input.Boot, s.every = 30*time.Second, time.Minute
			for range 9 {
				v := tt.symptom(s.input.Size)
				v.At = s.input.Now.Add(s.every)
				s.input.Symptoms = append([]limit.Symptom{v}, s.input.Symptoms[:min(len(s.input.Symptoms), limit.MaxSymptoms-1)]...)
				s.tick(s.input.Size + 1)
			}
			if s.input.Size != tt.want {
				t.Errorf("%d, want %d", s.input.Size, tt.want)
			}
		})
	}
}

// TestDiminishingReturnsHolds goes through one hold, the increase that is tried after it,
// and the next hold, which a smaller recommendation ends.
func TestDiminishingReturnsHolds(t *testing.T) {
	s := newService(limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: 2}}, 1)
	s.every = time.Minute
	run := func(n int) (sizes []int, out limit.Outcome) {
		for range n {
			s.input.Symptoms = []limit.Symptom{{At: s.input.Now.Add(s.every), Wait: 1}}
			out = s.tick(s.input.Size + 1)
			sizes = append(sizes, s.input.Size)
		}
		return sizes, out
	}
	sizes, out := run(3)
	held := start.Add(3*time.Minute + limit.DefaultHold)
	if want := []int{2, 3, 3}; !cmp.Equal(sizes, want) || out.By != limit.ByDiminishingReturns || !out.Until.Equal(held) || !out.NextUp.Equal(held) {
		t.Fatalf("sizes %v, want %v; by %v until %v, next up %v", sizes, want, out.By, out.Until, out.NextUp)
	}
	sizes, out = run(12)
	if want := append(repeat(9, 3), 4, 4, 4); !cmp.Equal(sizes, want) || out.By != limit.ByDiminishingReturns {
		t.Errorf("sizes %v, want %v; by %v: one increase is tried when the hold ends", sizes, want, out.By)
	}
	s.tick(s.input.Size - 1)
	if sizes, _ = run(1); sizes[0] != 4 {
		t.Errorf("size %v after fewer were recommended: the hold goes on", sizes)
	}
}

// TestIncreasesWithinABootTimeCountAsOne adds a process every minute, and each takes two
// minutes to boot. The first two increases halve the wait, and the next two do nothing.
func TestIncreasesWithinABootTimeCountAsOne(t *testing.T) {
	s := newService(limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: 1}}, 1)
	s.input.Boot = 2 * time.Minute
	s.every = time.Minute
	waits := []float64{1, .5, .5, .5, .5}
	var last limit.Outcome
	for i, wait := range waits {
		s.input.Symptoms = []limit.Symptom{{At: s.input.Now.Add(s.every), Wait: wait}}
		last = s.tick(2 + i)
	}
	if last.By != limit.ByDiminishingReturns || s.input.Size != 5 {
		t.Errorf("size %d by %v, want 5 by diminishing returns", s.input.Size, last.By)
	}
	// Samples from before the processes serve say nothing.
	s = newService(limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: 1}}, 1)
	s.input.Symptoms = []limit.Symptom{{At: start.Add(30 * time.Second), Wait: 1}}
	if sizes, out := s.ticks(2, 3, 4, 5, 6); !cmp.Equal(sizes, []int{2, 3, 4, 5, 6}) {
		t.Errorf("sizes %v by %v, judged by samples from before", sizes, out.By)
	}
	// An increase is not ineffective if no more is asked for.
	s = newService(limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: 1}}, 1)
	for _, n := range []int{2, 2, 2, 2, 2, 3} {
		s.input.Symptoms = []limit.Symptom{{At: s.input.Now.Add(s.every), Wait: 1}}
		if out := s.tick(n); n == 2 && out.Size != 2 {
			t.Errorf("size %d by %v", out.Size, out.By)
		}
		if s.memory.Returns.Count > 0 && n == 2 {
			t.Errorf("%d increases count as ineffective, and no more was asked for", s.memory.Returns.Count)
		}
	}
}

func TestValidate(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		limits limit.Limits
		want   string // a part of the error, and it is the only one. Empty: no error
	}{
		{limit.Limits{}, ""},
		{limit.Limits{Up: limit.Behavior{Cooldown: time.Minute, Stabilization: 30 * time.Second, Step: 1, Rate: limit.Rate{Share: 1, Period: 1}}}, ""},
		{limit.Limits{Up: limit.Behavior{Cooldown: -1}}, "Limits.Up.Cooldown is -1ns"},
		{limit.Limits{Down: limit.Behavior{Cooldown: -1}}, "Limits.Down.Cooldown is -1ns"},
		{limit.Limits{Up: limit.Behavior{Step: -1}}, "Limits.Up.Step is -1"},
		{limit.Limits{Down: limit.Behavior{Stabilization: -1}}, "Limits.Down.Stabilization is -1ns: it must be above 0"},
		{limit.Limits{Down: limit.Behavior{Stabilization: 29 * time.Second}}, "shorter than the Interval of 30s"},
		{limit.Limits{Down: limit.Behavior{Rate: limit.Rate{Processes: 1}}}, "Limits.Down.Rate.Period is 0s"},
		{limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Share: -1, Period: 1}}}, "Limits.Up.Rate is 0 processes or a share of -1"},
		{limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Share: nan, Period: 1}}}, "a share of NaN"},
		{limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Share: 20000, Period: 1}}}, "a share of 20000"},
		{limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: -1, Period: 1}}}, "is -1 processes"},
		{limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Period: time.Minute}}}, "permits no change at all in 1m0s"},
		{limit.Limits{Tolerance: .999}, ""},
		{limit.Limits{Tolerance: 1}, "Limits.Tolerance is 1"},
		{limit.Limits{Tolerance: -.1}, "Limits.Tolerance is -0.1"},
		{limit.Limits{Tolerance: nan}, "Limits.Tolerance is NaN"},
		{limit.Limits{Forecast: limit.Forecast{Share: 1.1}}, "Limits.Forecast.Share is 1.1"},
		{limit.Limits{Forecast: limit.Forecast{Share: nan}}, "Limits.Forecast.Share is NaN"},
		{limit.Limits{Forecast: limit.Forecast{Share: 1, Lead: 2 * time.Hour}}, ""},
		{limit.Limits{Forecast: limit.Forecast{Share: 1, Lead: 3 * time.Hour}}, "Limits.Forecast.Lead is 3h0m0s"},
		{limit.Limits{Forecast: limit.Forecast{Lead: -1}}, "Limits.Forecast.Lead is -1ns"},
		{limit.Limits{DiminishingReturns: limit.DiminishingReturns{After: -1}}, "DiminishingReturns.After is -1"},
		{limit.Limits{DiminishingReturns: limit.DiminishingReturns{Hold: -1}}, "DiminishingReturns.Hold is -1ns"},
		{limit.Limits{Budget: limit.Budget{Hours: -1}}, "Limits.Budget.Hours is -1: it must be"},
		{limit.Limits{Budget: limit.Budget{Hours: nan}}, "Limits.Budget.Hours is NaN"},
		{limit.Limits{Budget: limit.Budget{Hours: 47}}, "2 processes around the clock, takes 48"},
		{limit.Limits{Budget: limit.Budget{Hours: 48}}, ""},
		{limit.Limits{Budget: limit.Budget{Hours: 1343, Per: limit.Month}}, "takes 1344"},
		{limit.Limits{Budget: limit.Budget{Hours: 1344, Per: limit.Month}}, ""},
		{limit.Limits{Budget: limit.Budget{Hours: 99, Per: 2}}, "Limits.Budget.Per is 2"},
	} {
		err := tt.limits.Validate(30*time.Second, 2)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v: %v", tt.limits, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%+v: %v, want only %q", tt.limits, err, tt.want)
		}
	}
	// All faults are reported together.
	err := limit.Limits{Tolerance: 2, Up: limit.Behavior{Step: -1, Cooldown: -1}}.Validate(time.Second, 0)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three faults: %v", err)
	}
}

func TestKindText(t *testing.T) {
	seen := make(map[string]bool)
	for k := limit.None; k <= limit.ByPlatform; k++ {
		data, err := json.Marshal(k)
		var read limit.Kind
		if err != nil || json.Unmarshal(data, &read) != nil || read != k {
			t.Errorf("%v became %s and then %v, %v", k, data, read, err)
		}
		if seen[k.String()] || strings.Contains(k.String(), "Kind") {
			t.Errorf("%d is %v", k, k)
		}
		seen[k.String()] = true
	}
	if got := limit.Kind(99).String(); got != "Kind(99)" {
		t.Errorf("99 is %q", got)
	}
	var k limit.Kind
	if err := k.UnmarshalText([]byte("nonsense")); err == nil || !strings.Contains(err.Error(), "cooldown") {
		t.Errorf("%v, %v", k, err)
	}
	if limit.Day.String() != "day" || limit.Month.String() != "month" {
		t.Errorf("%v, %v", limit.Day, limit.Month)
	}
}
