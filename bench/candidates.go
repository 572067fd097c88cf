package main

import (
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/bench/hpa"
	"github.com/autoscalebot/autoscale/bench/kpa"
	"github.com/autoscalebot/autoscale/bench/rules"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/sim"
)

// The families whose fronts are compared.
const (
	ours        = "autoscale target tracking, board"
	oneShare    = "autoscale target tracking, one share"
	idealView   = "autoscale target tracking, ideal view"
	heartbeat   = "autoscale M of N"
	kubernetes  = "Kubernetes HPA"
	knative     = "Knative KPA"
	heroku      = "Heroku p95"
	clairvoyant = "clairvoyant"
	presentRate = "true present rate"
	foresight   = "true rate, one boot ahead"
)

// kind says whose code a candidate is.
type kind string

const (
	own    kind = "ours"
	part   kind = "ours, without a part"
	theirs kind = "their code"
	copied kind = "rewritten"
	bounds kind = "bound"
)

// candidate is one setting of one way to scale.
type candidate struct {
	family  string // the settings of a family are a line in the chart
	setting string
	kind    kind
	bubble  bool // reads the real clock
	make    func(w world) sim.Controller
}

func (c candidate) name() string { return c.family + " " + c.setting }

// world is what a candidate may know about the simulation when it is made.
type world struct {
	load        sim.Load
	service     sim.Service
	utilization float64 // at which a process just meets the objective
}

// demand is autoscale inside the service, by the requests that it measures.
func demand(target float64) autoscale.Config {
	return autoscale.Config{
		Decider:  rule.TargetTracking{Concurrency: slots, Target: target},
		Interval: 5 * time.Second,
		Max:      unbounded,
	}
}

// slots is how many requests a process works on at once.
const slots = 2

var (
	unbounded = autoscale.Fixed(100_000)
	measured  = sim.Signals{Traffic: true, View: sim.IdealView}
	board     = sim.Signals{View: sim.DeployedView, MetricsBoard: &sim.MetricsBoard{}}
	share     = sim.Signals{View: sim.DeployedView}
)

// candidates lists all candidates.
func candidates() (list []candidate) {
	add := func(kind kind, family, setting string, make func(w world) sim.Controller) {
		list = append(list, candidate{family: family, setting: setting, kind: kind, make: make})
	}
	percent := func(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

	for _, u := range []float64{.4, .45, .5, .55, .6, .65, .7, .75, .8} {
		add(bounds, clairvoyant, percent(u), func(world) sim.Controller { return sim.Clairvoyant(u) })
		add(bounds, presentRate, percent(u), func(world) sim.Controller { return sim.PresentRate(u) })
		add(bounds, foresight, percent(u), func(world) sim.Controller { return sim.Foresight(u) })
	}
	add(bounds, "static", "for the peak", func(w world) sim.Controller {
		return sim.Constant(int(math.Ceil(w.load.Peak() * w.service.Mean.Seconds() / (slots * w.utilization))))
	})

	for _, target := range []float64{.45, .5, .55, .6, .65, .7, .75, .8, .85} {
		for _, view := range []struct {
			family  string
			signals sim.Signals
		}{{ours, board}, {oneShare, share}, {idealView, measured}} {
			add(own, view.family, percent(target), func(world) sim.Controller {
				return sim.Autoscaler(demand(target), view.signals)
			})
		}
	}
	list = append(list, variants()...)
	for _, e := range []struct {
		setting string
		rule    rule.MOfN
	}{
		{"defaults", rule.MOfN{}},
		{"margin 200 ms", rule.MOfN{Margin: 200 * time.Millisecond}},
		{"margin 300 ms", rule.MOfN{Margin: 300 * time.Millisecond}},
		{"quiet below 0.10", rule.MOfN{QuietShare: .10}},
		{"quiet below 0.20", rule.MOfN{QuietShare: .20}},
		{"quiet below 0.25", rule.MOfN{QuietShare: .25}},
		{"quiet below 0.30", rule.MOfN{QuietShare: .30}},
	} {
		add(own, heartbeat, e.setting, func(world) sim.Controller {
			return sim.Autoscaler(autoscale.Config{Decider: e.rule, Interval: 5 * time.Second, Max: unbounded}, sim.Signals{})
		})
	}
	add(own, "autoscale Consecutive", "autoscalebot's defaults", func(world) sim.Controller {
		return sim.Autoscaler(autoscale.Config{Max: unbounded}, sim.Signals{})
	})

	for _, target := range []int32{45, 50, 55, 60, 65, 70, 75, 80} {
		list = append(list, candidate{
			kind: theirs, family: kubernetes, setting: fmt.Sprintf("%d %%", target), bubble: true,
			make: func(world) sim.Controller { return hpa.New(target) },
		})
	}
	for _, target := range []float64{.45, .5, .6, .7, .8, .9, 1} {
		add(theirs, knative, percent(target), func(world) sim.Controller { return kpa.New(target) })
	}

	for _, p95 := range []time.Duration{350, 400, 450, 500, 600} {
		p95 *= time.Millisecond
		add(copied, heroku, p95.String(), func(world) sim.Controller { return rules.Heroku(p95) })
	}
	for _, p95 := range []time.Duration{400, 500} {
		p95 *= time.Millisecond
		add(copied, "HireFire p95", p95.String(), func(world) sim.Controller { return rules.HireFire(p95) })
	}
	for _, high := range []time.Duration{100, 200, 300} {
		high *= time.Millisecond
		add(copied, "Judoscale", "queue "+high.String(), func(world) sim.Controller {
			return &rules.Judoscale{High: high, Low: high / 2, UpEvery: 30 * time.Second, DownEvery: 10 * time.Minute}
		})
	}
	for _, target := range []float64{.4, .5, .6} {
		add(copied, "AWS target tracking", percent(target), func(world) sim.Controller { return &rules.AWS{Target: target} })
	}
	for _, high := range []float64{.55, .65} {
		add(copied, "React", percent(high), func(world) sim.Controller { return rules.React{High: high, Low: high * 2 / 3} })
	}
	return list
}

// variants are autoscale with one thing left out or added, at one target.
func variants() (list []candidate) {
	const target = .6
	add := func(setting string, signals sim.Signals, change func(*autoscale.Config)) {
		list = append(list, candidate{family: "variant", setting: setting, kind: part, make: func(world) sim.Controller {
			cfg := demand(target)
			change(&cfg)
			return sim.Autoscaler(cfg, signals)
		}})
	}
	without := func(s autoscale.Signals) func(*autoscale.Config) {
		return func(cfg *autoscale.Config) { cfg.Decider = blind{cfg.Decider, s} }
	}
	tracking := func(d rule.TargetTracking) func(*autoscale.Config) {
		return func(cfg *autoscale.Config) { cfg.Decider = d }
	}
	add("nothing left out", board, func(*autoscale.Config) {})
	add("completions, not arrivals", board, without(autoscale.SignalArrivals))
	add("completions alone", board, without(autoscale.SignalArrivals|autoscale.SignalBusy))
	add("measured over 60 s", windowed(time.Minute), func(*autoscale.Config) {})
	add("measured over 5 s", windowed(5*time.Second), func(*autoscale.Config) {})
	add("measured over 30 s", windowed(30*time.Second), func(*autoscale.Config) {})
	add("every 2 s", board, func(cfg *autoscale.Config) { cfg.Interval = 2 * time.Second })
	add("every 15 s", board, func(cfg *autoscale.Config) { cfg.Interval = 15 * time.Second })
	add("every 30 s", board, func(cfg *autoscale.Config) { cfg.Interval = 30 * time.Second })
	highest := func(window time.Duration) func(*autoscale.Config) {
		return func(cfg *autoscale.Config) {
			cfg.Decider = rule.TargetTracking{Concurrency: slots, Target: target, Decay: -1}
			cfg.Limits.Down.Stabilization = window
		}
	}
	add("measured over 10 s", windowed(10*time.Second), func(*autoscale.Config) {})
	add("decays in 1 min", board, tracking(rule.TargetTracking{Concurrency: slots, Target: target, Decay: time.Minute}))
	add("decays in 6 min", board, tracking(rule.TargetTracking{Concurrency: slots, Target: target, Decay: 6 * time.Minute}))
	add("down at once", board, tracking(rule.TargetTracking{Concurrency: slots, Target: target, Decay: -1}))
	add("the highest of 1 min, not decaying", board, highest(time.Minute))
	add("the highest of 5 min, not decaying", board, highest(5*time.Minute))
	add("forecast of 80 %", board, func(cfg *autoscale.Config) { cfg.Limits.Forecast = limit.Forecast{Share: .8} })
	// The settings that keep the size still, each without the tolerance of the rule.
	eager := rule.TargetTracking{Concurrency: slots, Target: target, Tolerance: -1}
	still := func(change func(*autoscale.Config)) func(*autoscale.Config) {
		return func(cfg *autoscale.Config) {
			cfg.Decider = eager
			change(cfg)
		}
	}
	add("no tolerance", board, still(func(*autoscale.Config) {}))
	for _, tolerance := range []float64{.05, .1, .2} {
		add(fmt.Sprintf("tolerance of %.0f %%", 100*tolerance), board, tracking(rule.TargetTracking{Concurrency: slots, Target: target, Tolerance: tolerance}))
	}
	add("no tolerance, highest of 5 min", board, still(func(cfg *autoscale.Config) { cfg.Limits.Down.Stabilization = 5 * time.Minute }))
	add("no tolerance, at rest for a boot", board, still(func(cfg *autoscale.Config) {
		cfg.Limits.Up.Cooldown, cfg.Limits.Down.Cooldown = 30*time.Second, 30*time.Second
	}))
	add("no tolerance, one down a minute", board, still(func(cfg *autoscale.Config) {
		cfg.Limits.Down.Step, cfg.Limits.Down.Cooldown = 1, time.Minute
	}))
	add("no tolerance, down after 5 min", board, still(func(cfg *autoscale.Config) { cfg.Limits.Down.Cooldown = 5 * time.Minute }))
	add("concurrency not known (utilization), ideal view", measured, tracking(rule.TargetTracking{Target: target}))
	add("concurrency wrong: 4 for 2", board, tracking(rule.TargetTracking{Concurrency: 4, Target: target}))
	add("concurrency wrong: 1 for 2", board, tracking(rule.TargetTracking{Concurrency: 1, Target: target}))
	add("board published every 5 s", sim.Signals{View: sim.DeployedView, MetricsBoard: &sim.MetricsBoard{Interval: 5 * time.Second}}, func(*autoscale.Config) {})
	add("board away for 5 minutes each hour", failing(), func(*autoscale.Config) {})
	add("no metrics for 2 minutes each 20", gaps(), func(*autoscale.Config) {})
	add("another leader every 5 minutes", leaders(), func(*autoscale.Config) {})
	add("concurrency wrong, and not learned", board, func(cfg *autoscale.Config) {
		cfg.Decider = blind{rule.TargetTracking{Concurrency: 4, Target: target}, autoscale.SignalQueueTime}
	})
	return list
}

// windowed is the board with another window.
func windowed(window time.Duration) sim.Signals {
	s := board
	s.Window = window
	return s
}

// failing is a board that cannot be reached for five minutes of each hour.
func failing() sim.Signals {
	b := &sim.MetricsBoard{}
	for at := 30 * time.Minute; at < 24*time.Hour; at += time.Hour {
		b.Outages = append(b.Outages, sim.Outage{From: at, To: at + 5*time.Minute})
	}
	return sim.Signals{View: sim.DeployedView, MetricsBoard: b}
}

// gaps is a board with times in which nothing can be measured.
func gaps() sim.Signals {
	s := board
	for at := 10 * time.Minute; at < 24*time.Hour; at += 20 * time.Minute {
		s.Outages = append(s.Outages, sim.Outage{From: at, To: at + 2*time.Minute})
	}
	return s
}

// leaders is a board whose leader changes all the time.
func leaders() sim.Signals {
	s := board
	s.LeaderEvery = 5 * time.Minute
	return s
}

// blind is a decider that does not see some signals.
type blind struct {
	autoscale.Decider
	signals autoscale.Signals
}

func (b blind) Decide(o autoscale.Observation) autoscale.Decision {
	samples := make([]autoscale.Sample, len(o.Samples))
	for i, s := range o.Samples {
		s.Signals &^= b.signals
		samples[i] = s
	}
	o.Samples = samples
	return b.Decider.Decide(o)
}

// pick returns the candidates whose name matches.
func pick(list []candidate, only *regexp.Regexp) (out []candidate) {
	for _, c := range list {
		if only.MatchString(c.name()) {
			out = append(out, c)
		}
	}
	return out
}
