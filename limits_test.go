package autoscale_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// recommended is a rule that recommends the newest Value.
var recommended = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
	s := o.Samples[len(o.Samples)-1]
	return autoscale.Decision{Act: true, Size: int(s.Value), Reason: autoscale.Reason{Code: "needed", Detail: autoscale.ReasonText(fmt.Sprintf("%.0f are needed", s.Value))}}
})

// newRecommender is a rig whose rule recommends what the test says.
func newRecommender(t *testing.T, size int, change func(*autoscale.Config)) *rig {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider, c.Max = recommended, autoscale.Fixed(100)
		if change != nil {
			change(c)
		}
	})
	r.platform.size = size
	return r
}

func (r *rig) recommend(size int) {
	r.gauge.mu.Lock()
	defer r.gauge.mu.Unlock()
	r.gauge.sample = autoscale.Sample{Signals: autoscale.SignalValue, Value: float64(size)}
}

func limited(l limit.Limits) autoscale.Config { return autoscale.Config{Limits: l} }

// Each tick, half a minute apart, recommends a size. The test checks which size is
// ordered.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config autoscale.Config
		size   int
		sizes  []int
		want   []int
		limit  limit.Kind // of the last tick
	}{
		{"none", autoscale.Config{}, 3, []int{9, 2, 2}, []int{9, 2, 2}, limit.None},
		// 10% of 20 are 2.
		{"tolerance", limited(limit.Limits{Tolerance: 0.1}), 20, []int{22, 18, 23, 22, 21}, []int{20, 20, 23, 23, 23}, limit.ByTolerance},
		{"tolerance at 0", autoscale.Config{Limits: limit.Limits{Tolerance: 0.9}, Min: autoscale.Fixed(0)}, 0, []int{1}, []int{1}, limit.None},
		// The current size counts as the first recommendation.
		{"stabilization down", limited(limit.Limits{Down: limit.Behavior{Stabilization: time.Minute}}), 5, []int{2, 2, 2, 2, 2}, []int{5, 5, 5, 2, 2}, limit.None},
		{"a peak in the window", limited(limit.Limits{Down: limit.Behavior{Stabilization: time.Minute}}), 1, []int{4, 1, 2, 1, 2, 1}, []int{4, 4, 4, 2, 2, 2}, limit.ByStabilization},
		{"stabilization up", limited(limit.Limits{Up: limit.Behavior{Stabilization: time.Minute}}), 1, []int{4, 9, 5, 6, 6, 1, 7}, []int{1, 1, 1, 5, 5, 1, 1}, limit.ByStabilization},
		// The policy of Kubernetes' HPA: 4 processes or 100% in each period.
		{"rate up", limited(limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 4, Share: 1, Period: time.Minute}}}), 1, []int{99, 99, 99, 99, 99, 99}, []int{5, 5, 10, 10, 20, 20}, limit.ByRate},
		{"rate in parts", limited(limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 4, Period: time.Minute}}}), 1, []int{3, 99, 99, 99}, []int{3, 5, 7, 9}, limit.ByRate},
		{"rate down", limited(limit.Limits{Down: limit.Behavior{Rate: limit.Rate{Share: .1, Period: time.Minute}}}), 20, []int{1, 1, 1, 1}, []int{18, 18, 16, 16}, limit.ByRate},
		{"rate rounds up", limited(limit.Limits{Down: limit.Behavior{Rate: limit.Rate{Share: .1, Period: time.Minute}}}), 3, []int{1, 1, 1}, []int{2, 2, 1}, limit.None},
		{"rate, then step, then max", autoscale.Config{
			Limits: limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 9, Period: time.Minute}, Step: 5}}, Max: autoscale.Fixed(12),
		}, 3, []int{99, 99, 99}, []int{8, 12, 12}, limit.ByMax},
		{"stabilization goes before the step", autoscale.Config{
			Limits: limit.Limits{Down: limit.Behavior{Stabilization: time.Minute, Step: 1}},
		}, 9, []int{5, 1, 1, 1, 1}, []int{9, 9, 9, 8, 7}, limit.ByStep},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecommender(t, tt.size, func(c *autoscale.Config) {
				tt.config.Prober, tt.config.Scaler, tt.config.Logger, tt.config.Decider = c.Prober, c.Scaler, c.Logger, c.Decider
				if tt.config.Max.String() == (autoscale.Schedule{}).String() {
					tt.config.Max = c.Max
				}
				*c = tt.config
			})
			var got []int
			for _, w := range tt.sizes {
				r.recommend(w)
				r.ticks(1)
				got = append(got, r.platform.size)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("recommended %v; sizes (-want +got)\n%s", tt.sizes, diff)
			}
			if s := r.a.Status(); s.Last.Limit != tt.limit {
				t.Errorf("limit %v, not %v: %v", s.Last.Limit, tt.limit, s)
			}
		})
	}
}

func TestFutility(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Max, c.Limits.DiminishingReturns, c.NotifyOn = autoscale.Fixed(20), limit.DiminishingReturns{After: 2}, autoscale.Ineffective
		c.Decider, c.Limits.Up.Cooldown = autoscale.Consecutive{UpAfter: 1, DownAfter: 1}, time.Minute
	})
	r.gauge.latency(slow) // whatever is ordered
	if got := r.ticks(12); !slices.Equal(got, []int{2, 3}) {
		t.Fatalf("ordered %v: more after two increases that did not help", got)
	}
	if got := r.take(); !slices.Equal(got, []string{"ineffective began"}) {
		t.Errorf("notified of %v", got)
	}
	s := r.a.Status()
	if s.Last.Limit != limit.ByDiminishingReturns || !s.Last.NextUp.Equal(s.Last.Until) || !strings.Contains(s.String(), "the bottleneck is elsewhere") {
		t.Errorf("status %v, next up %v, until %v", s, s.Last.NextUp, s.Last.Until)
	}
	var tried []int
	for i := 0; i < 20 && tried == nil; i++ {
		tried = r.ticks(1)
	}
	if !slices.Equal(tried, []int{4}) {
		t.Errorf("ordered %v in the ten minutes after: one more is to be tried", tried)
	}
	r.gauge.latency(1500 * time.Millisecond) // that one helped, and the next two do not
	if got := r.ticks(12); !slices.Equal(got, []int{5, 6}) {
		t.Errorf("ordered %v after an increase that helped", got)
	}
	r.gauge.latency(fast)
	r.ticks(12)
	if got := r.take(); len(got) == 0 || got[len(got)-1] != "ineffective ended" {
		t.Errorf("notified of %v, not that it ended", got)
	}
}

// TestMoreWorkIsNotFutile has a load that grows with the size: the latency stays,
// and the throughput does not.
func TestMoreWorkIsNotFutile(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Max, c.Limits.DiminishingReturns = autoscale.Fixed(9), limit.DiminishingReturns{After: 1}
		c.Decider = autoscale.Consecutive{UpAfter: 1}
	})
	for range 40 {
		r.gauge.mu.Lock()
		r.gauge.sample = autoscale.Sample{Signals: autoscale.SignalLatency | autoscale.SignalThroughput, Latency: slow, Throughput: float64(10 * r.platform.size)}
		r.gauge.mu.Unlock()
		r.ticks(1)
	}
	if r.platform.size != 9 {
		t.Errorf("stopped at %d: %v", r.platform.size, r.a.Status())
	}
}

// TestBudget spends three process-hours an hour of a budget of 48 a day.
func TestBudget(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	r := newRecommender(t, 3, func(c *autoscale.Config) {
		c.NotifyOn, c.Limits.Budget = autoscale.BudgetShort, limit.Budget{Hours: 48, Location: berlin}
	})
	r.recommend(3)
	r.now = time.Date(2026, 3, 2, 0, 0, 0, 0, berlin)
	sizes := make(map[string]int)
	var notified []string
	for range 48 * 120 {
		r.ticks(1)
		hour := r.now.In(berlin).Format("2 15:04")
		sizes[hour] = r.platform.size
		for _, kind := range r.take() {
			notified = append(notified, kind+" "+hour)
		}
	}
	// 80% are 38.4 hours, spent after 12.8; all after 16.
	for hour, want := range map[string]int{"2 12:48": 3, "2 15:59": 3, "2 16:01": 1, "2 23:59": 1, "3 00:01": 3} {
		if sizes[hour] != want {
			t.Errorf("%d at %s, not %d", sizes[hour], hour, want)
		}
	}
	if len(notified) < 2 || notified[0] != "budget_short began 2 12:49" || !slices.Contains(notified, "budget_short began 2 16:01") {
		t.Errorf("notified of %v", notified)
	}
}

func TestBudgetByHand(t *testing.T) {
	r := newRecommender(t, 2, func(c *autoscale.Config) { c.Limits.Budget, c.Min = limit.Budget{Hours: 24}, autoscale.Fixed(1) })
	r.recommend(9)
	r.ticks(1)
	r.now = r.now.Add(3 * time.Hour) // nobody ticked: nine ran all the same
	r.recommend(9)
	r.ticks(1)
	s := r.a.Status()
	if s.Last.Limit != limit.ByBudget || r.platform.size != 1 {
		t.Errorf("size %d: %v", r.platform.size, s)
	}
	if got, want := s.String(), "web: from 9 to 1: 9 are needed; 9 recommended, but the budget of process-hours is spent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBoot learns from a platform that says how many are pending, and waits.
func TestBoot(t *testing.T) {
	r := newRecommender(t, 1, func(c *autoscale.Config) { c.Limits.CooldownCoversBoot, c.BootTime = true, 45*time.Second })
	var seen time.Duration
	if got := r.a.Status().Last.Boot; got != 0 {
		t.Errorf("boot %v before the first tick", got)
	}
	for i := range 12 { // each increase takes 90 s to serve
		r.recommend(i + 2)
		if d, _ := r.tick(); d.Act {
			r.platform.pending = 1
			r.ticks(2)
			r.platform.pending = 0
			r.ticks(1)
		}
		seen = r.a.Status().Last.Boot
	}
	if seen != 90*time.Second {
		t.Errorf("learned %v, not 1m30s", seen)
	}
	r.recommend(50)
	r.ticks(4)
	r.recommend(60)
	r.platform.takeOrders()
	if r.ticks(1); r.a.Status().Last.Limit != limit.ByCooldown && r.a.Status().Last.Limit != limit.None {
		t.Errorf("limit %v", r.a.Status().Last.Limit)
	}
	// An increase now is followed by a rest of a boot.
	r.ticks(4)
	r.recommend(70)
	r.ticks(1)
	r.recommend(80)
	for i, want := range []limit.Kind{limit.ByCooldown, limit.ByCooldown, limit.None} {
		r.ticks(1)
		if got := r.a.Status().Last.Limit; got != want {
			t.Errorf("%d ticks after an increase: limit %v, want %v", i+1, got, want)
		}
	}
}

// TestTheNextLeaderKeepsTheLimits hands each kind of what is remembered over.
func TestTheNextLeaderKeepsTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, func(c *autoscale.Config) {
			c.Decider, c.Max = recommended, autoscale.Fixed(50)
			c.Limits.Down.Stabilization = 5 * time.Minute
			c.Limits.Up.Rate = limit.Rate{Processes: 10, Period: 10 * time.Minute}
			c.Limits.Forecast = limit.Forecast{Share: 1}
			c.Limits.Budget = limit.Budget{Hours: 200}
			c.Limits.DiminishingReturns = limit.DiminishingReturns{After: 3}
		})
		sa.lead()
		a.recommend(8)
		a.pass()
		a.platform.pending = 1
		a.pass()
		a.platform.pending = 0
		a.pass()
		if a.platform.size != 8 {
			t.Fatalf("size %d", a.platform.size)
		}
		sb.lead()
		b.recommend(2)
		b.pass()
		if s := b.a.Status(); s.Last.Limit != limit.ByStabilization || s.Last.Boot != time.Minute {
			t.Errorf("after the hand-over: %v, boot %v", s, s.Last.Boot)
		}
		b.recommend(50)
		b.pass()
		if s := b.a.Status(); s.Last.Limit != limit.ByRate || b.platform.size != 11 {
			t.Errorf("size %d: %v", b.platform.size, s)
		}
		var stored struct {
			Limits struct {
				Past     struct{ Buckets []byte }
				Spending struct{ Hours float64 }
			}
		}
		if err := json.Unmarshal(reg.state, &stored); err != nil || len(stored.Limits.Past.Buckets) == 0 || stored.Limits.Spending.Hours == 0 {
			t.Errorf("stored %+v, %v", stored, err)
		}
		// A follower shows all of it.
		sa.term = 0
		a.pass()
		if s, l := a.a.Status(), b.a.Status(); !cmp.Equal(s.Last.Adjustments, l.Last.Adjustments) || s.Last.Boot != l.Last.Boot || s.String() != l.String() {
			t.Errorf("the follower says\n%v %v\nand the leader\n%v %v", s, s.Last.Adjustments, l, l.Last.Adjustments)
		}
		// The day after, the third leader knows.
		time.Sleep(24*time.Hour - 70*time.Second)
		sa.lead()
		a.recommend(3)
		a.pass()
		if s := a.a.Status(); s.Last.Limit == limit.None || len(s.Last.Adjustments) == 0 || s.Last.Adjustments[0] != (limit.Adjustment{By: limit.ByForecast, From: 3, To: 50}) {
			t.Errorf("the day after: %v %v", s, s.Last.Adjustments)
		}
	})
}

// pair is a decider of the host's own that consists of two.
type pair struct{ autoscale.Decider }

func (pair) Each(o autoscale.Observation, yield func(string, autoscale.Decision)) {
	yield("recommended", recommended(o))
	yield("Consecutive", autoscale.Consecutive{}.Decide(o))
}

func TestExplanation(t *testing.T) {
	var log bytes.Buffer
	r := newRecommender(t, 4, func(c *autoscale.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Decider = pair{autoscale.Highest(recommended, autoscale.Consecutive{})}
		c.Max, c.Limits.Up.Step, c.Limits.Up.Cooldown = autoscale.Fixed(12), 6, time.Minute
		c.Limits.Up.Rate = limit.Rate{Processes: 7, Period: 5 * time.Minute}
	})
	r.recommend(30)
	r.ticks(1)
	s := r.a.Status()
	want := []limit.Adjustment{
		{By: limit.ByRate, From: 30, To: 11},
		{By: limit.ByStep, From: 11, To: 10},
	}
	if diff := cmp.Diff(want, s.Last.Adjustments); diff != "" {
		t.Errorf("adjustments (-want +got)\n%s", diff)
	}
	if len(s.Last.Rules) != 2 || s.Last.Rules[0].Size != 30 || s.Last.Rules[1].Rule != "Consecutive" || s.Last.Rules[1].Act {
		t.Errorf("rules %+v", s.Last.Rules)
	}
	r.ticks(1)
	s = r.a.Status()
	if s.Last.Limit != limit.ByCooldown || s.Last.NextUp.Sub(r.now) != 30*time.Second || s.Last.NextDown.Sub(r.now) != 30*time.Second {
		t.Errorf("limit %v, next up %v, down %v", s.Last.Limit, s.Last.NextUp.Sub(r.now), s.Last.NextDown.Sub(r.now))
	}
	for _, part := range []string{"explanation.recommendation=30", "explanation.limit.rate=\"30 to 11\"", "explanation.rule.Consecutive=\"stay at 4: ", "explanation.next_up="} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s:\n%s", part, log.String())
		}
	}
	data, err := json.Marshal(s)
	for _, part := range []string{`"recommended":30`, `"rules":[{"rule":"recommended","size":30,"reason":"30 are needed"}`, `"adjustments":[{"limit":"cooldown","from":30,"to":10`, `"next_up":"2026`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("%v; the JSON does not say %s:\n%s", err, part, data)
		}
	}
}

func TestValidateLimits(t *testing.T) {
	err := autoscale.Config{
		Prober: &gauge{}, Scaler: &platform{}, BootTime: time.Hour,
		Limits: limit.Limits{
			Up:                 limit.Behavior{Stabilization: -1, Rate: limit.Rate{Processes: 1}},
			Down:               limit.Behavior{Stabilization: time.Second, Rate: limit.Rate{Period: time.Minute}},
			Tolerance:          1,
			Forecast:           limit.Forecast{Share: 2, Lead: -1},
			DiminishingReturns: limit.DiminishingReturns{After: -1, Hold: -1},
			Budget:             limit.Budget{Hours: 23},
		},
	}.Validate()
	for _, part := range []string{
		"Tolerance is 1:", "BootTime is 1h0m0s:", "Limits.Up.Stabilization is -1ns", "Limits.Down.Stabilization is 1s, shorter than the Interval of 30s",
		"Limits.Up.Rate.Period is 0s", "Limits.Down.Rate permits no change at all in 1m0s", "Forecast.Share is 2", "Forecast.Lead is -1ns",
		"DiminishingReturns.After is -1", "DiminishingReturns.Hold is -1ns", "Budget.Hours is 23, and Min alone, 1 process around the clock, takes 24",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}

// FuzzLimits passes any recommendations through any limits: the size stays within the
// bounds, moves only as far as the step and the quota permit, and what it is
// said to be is what was ordered.
func FuzzLimits(f *testing.F) {
	f.Add([]byte{9, 2, 200, 0, 255, 7, 7, 7, 1, 1, 1, 1}, uint8(3), uint8(20), uint8(2), uint8(3), uint8(10), uint16(300), uint8(4))
	f.Fuzz(func(t *testing.T, data []byte, low, span, up, down, tolerance uint8, window uint16, quota uint8) {
		lo, hi := int(low), int(low)+int(span)
		cfg := autoscale.Config{
			Min: autoscale.Fixed(lo), Max: autoscale.Fixed(hi),
			Limits: limit.Limits{
				Up:                 limit.Behavior{Step: int(up), Cooldown: time.Duration(up) * time.Second},
				Down:               limit.Behavior{Step: int(down), Cooldown: time.Duration(window) * time.Second},
				Tolerance:          float64(tolerance) / 256,
				Forecast:           limit.Forecast{Share: float64(quota%3) / 2},
				DiminishingReturns: limit.DiminishingReturns{After: int(quota % 4)},
			},
		}
		if window >= 30 {
			cfg.Limits.Up.Stabilization, cfg.Limits.Down.Stabilization = time.Duration(window/2+15)*time.Second, time.Duration(window)*time.Second
		}
		if quota > 0 {
			cfg.Limits.Up.Rate = limit.Rate{Processes: int(quota), Share: float64(up) / 100, Period: time.Duration(window)*time.Second + 1}
		}
		if lo > 0 && quota%2 == 1 {
			cfg.Limits.Budget = limit.Budget{Hours: float64(24*lo + int(span))}
		}
		r := newRecommender(t, lo, func(c *autoscale.Config) {
			cfg.Prober, cfg.Scaler, cfg.Logger, cfg.Decider = c.Prober, c.Scaler, c.Logger, c.Decider
			*c = cfg
		})
		for _, b := range data[:min(len(data), 300)] {
			r.recommend(int(b) - 5)
			before := r.platform.size
			d, err := r.tick()
			if err != nil {
				t.Fatal(err)
			}
			size, s := r.platform.size, r.a.Status()
			switch {
			case size < lo || size > hi:
				t.Fatalf("size %d outside %d to %d", size, lo, hi)
			case up > 0 && size-before > int(up), down > 0 && before-size > int(down) && s.Last.Limit != limit.ByBudget:
				t.Fatalf("from %d to %d past the step: %v", before, size, s)
			case d.Act != (size != before) || s.Last.Decision.Size != size:
				t.Fatalf("from %d to %d, and it says %+v", before, size, s.Last.Decision)
			}
			for i, a := range s.Last.Adjustments {
				if i > 0 && a.From != s.Last.Adjustments[i-1].To || a.From == a.To {
					t.Fatalf("the adjustments do not follow: %+v", s.Last.Adjustments)
				}
			}
		}
	})
}
