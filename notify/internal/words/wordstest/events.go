// Package wordstest has an event of every kind and phase, for the tests of the packages
// that write and show messages.
package wordstest

import (
	"errors"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// Now is the time of all events.
var Now = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)

// Conditions are the kinds that have phases.
const Conditions = autoscale.ProbeFailing | autoscale.ScaleFailing | autoscale.NeedsAboveMax | autoscale.NeedsBelowMin | autoscale.DiffExceeded |
	autoscale.Paused | autoscale.Yielding | autoscale.Panicked | autoscale.StoreFailing | autoscale.Ineffective | autoscale.BudgetShort |
	autoscale.NotFollowed

// An Event is an event with a name for the test.
type Event struct {
	Name string
	autoscale.Event
}

// Events returns an event of each kind, as an Autoscaler makes it, in each of its phases,
// and the variants of some.
func Events() []Event {
	slow := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 2400 * time.Millisecond, Time: Now}
	base := autoscale.Event{Time: Now, Name: "web", From: 3, To: 3, Min: 1, Max: 5, Sample: slow}
	because := func(size int, text string) autoscale.Decision {
		return autoscale.Decision{Act: true, Size: size, Reason: autoscale.Reason{Code: "rule", Detail: autoscale.ReasonText(text)}}
	}
	high := because(4, "3 samples in a row are slower than 1s")
	var all []Event
	add := func(variant string, kind autoscale.EventKind, change func(e *autoscale.Event)) {
		phases := []autoscale.Phase{autoscale.Occurred}
		if Conditions.Has(kind) {
			phases = []autoscale.Phase{autoscale.Began, autoscale.Ongoing, autoscale.Repeated, autoscale.Ended}
		}
		for _, phase := range phases {
			e := base
			e.Kind, e.Phase = kind, phase
			change(&e)
			if phase == autoscale.Ended && kind&(autoscale.Paused|autoscale.Yielding) != 0 {
				e.Detail = "" // unless somebody resumed
				if variant == "for good" {
					e.Detail = "resumed at 2026-11-23T08:59:30Z (by eve)"
				}
			}
			name := kind.String()
			if variant != "" {
				name += ", " + variant
			}
			if phase != autoscale.Occurred {
				name += ", " + phase.String()
				e.Since = Now
				if phase != autoscale.Began {
					e.Since = Now.Add(-65 * time.Minute)
				}
			}
			all = append(all, Event{name, e})
		}
	}
	unmeasured := func(e *autoscale.Event) { e.Sample = autoscale.Sample{} }
	timeout := errors.New("probe: GET www.example.com: the certificate is not trusted")
	refused := errors.New("heroku: set the size of web: 401 unauthorized: check the token")

	add("", autoscale.Probed, func(*autoscale.Event) {})
	add("timeout", autoscale.Probed, func(e *autoscale.Event) {
		e.Sample.Failure, e.Sample.Detail = autoscale.Timeout, "no response within 5s"
	})
	add("", autoscale.ProbeFailed, func(e *autoscale.Event) { unmeasured(e); e.Err, e.Count = timeout, 1 })
	add("second", autoscale.ProbeFailed, func(e *autoscale.Event) { unmeasured(e); e.Err, e.Count = timeout, 2 })
	add("", autoscale.ProbeFailing, func(e *autoscale.Event) { unmeasured(e); e.Err, e.Count = timeout, 3 })
	add("", autoscale.Decided, func(e *autoscale.Event) { e.Decision, e.To = high, 4 })
	add("held", autoscale.Decided, func(e *autoscale.Event) {
		e.Decision, e.Limit, e.Until = high, limit.ByCooldown, Now.Add(4*time.Minute)
	})
	add("no change", autoscale.Decided, func(e *autoscale.Event) {
		e.Decision = autoscale.Decision{Reason: autoscale.Reason{Detail: autoscale.ReasonText("the latency is neither too high nor too low")}}
	})
	add("up", autoscale.Scaled, func(e *autoscale.Event) { e.Decision, e.To = high, 4 })
	add("to Max", autoscale.Scaled, func(e *autoscale.Event) { e.Decision, e.From, e.To = high, 4, 5 })
	add("down to Min", autoscale.Scaled, func(e *autoscale.Event) {
		e.Decision, e.From, e.To = because(1, "10 samples in a row are faster than 200ms"), 2, 1
	})
	add("late", autoscale.Scaled, func(e *autoscale.Event) {
		e.Decision, e.To, e.Detail = high, 4, "by an earlier order that seemed to fail"
	})
	add("dry run", autoscale.Scaled, func(e *autoscale.Event) { e.Decision, e.To, e.DryRun = high, 4, true })
	add("busy", autoscale.ScaleFailed, func(e *autoscale.Event) {
		unmeasured(e)
		e.To, e.Count, e.Limit, e.Until = 5, 1, limit.ByBusy, Now.Add(10*time.Minute)
		e.Err = errors.New("autoscale: the platform is busy with another operation: a release is in progress")
	})
	add("read", autoscale.ScaleFailed, func(e *autoscale.Event) { e.Err, e.Count = refused, 1 })
	add("order", autoscale.ScaleFailed, func(e *autoscale.Event) { e.Err, e.Count, e.To, e.Decision = refused, 2, 4, high })
	add("partly", autoscale.Scaled, func(e *autoscale.Event) {
		e.Decision, e.To, e.Detail = high, 4, "as part of an order of 5; the next tick orders the rest"
	})
	add("", autoscale.ScaleFailing, func(e *autoscale.Event) { e.Err, e.Count = refused, 3 })
	add("", autoscale.Changed, func(e *autoscale.Event) { e.From, e.To = 3, 5 })
	add("", autoscale.LimitReached, func(e *autoscale.Event) {
		e.From, e.To, e.Until, e.Err = 5, 3, Now.Add(time.Hour), errors.New("heroku: set the size of web: 422 cannot run more than 3 processes of this type")
	})
	add("", autoscale.NeedsAboveMax, func(e *autoscale.Event) {
		e.Decision, e.From, e.To, e.Limit = because(7, "3 samples in a row are slower than 1s"), 5, 5, limit.ByMax
	})
	add("", autoscale.NeedsBelowMin, func(e *autoscale.Event) {
		e.Decision, e.Min, e.Limit = because(2, "10 samples in a row are faster than 200ms"), 3, limit.ByMin
	})
	add("", autoscale.DiffExceeded, func(e *autoscale.Event) { e.From, e.To, e.Detail, e.Decision = 1, 5, "within 10m00s", high })
	add("for a time", autoscale.Paused, func(e *autoscale.Event) {
		e.Limit, e.Until, e.Detail, e.Decision = limit.ByPause, Now.Add(2*time.Hour), "paused until 2026-11-23T11:00:00Z (by ann)", high
	})
	add("for good", autoscale.Paused, func(e *autoscale.Event) {
		e.Limit, e.Detail, e.Decision = limit.ByPause, "paused since 2026-11-23T08:00:00Z", high
	})
	add("at 0", autoscale.Paused, func(e *autoscale.Event) { e.From, e.To, e.Limit = 0, 0, limit.ByPause })
	add("maintenance", autoscale.Paused, func(e *autoscale.Event) { e.Limit = limit.ByMaintenance })
	add("", autoscale.Yielding, func(e *autoscale.Event) { e.Limit, e.Detail = limit.ByYielding, "Heroku Autoscaling" })
	add("begins", autoscale.LeaderChanged, func(e *autoscale.Event) { unmeasured(e); e.Detail, e.Min, e.Max = "this process leads now", 0, 0 })
	add("ends", autoscale.LeaderChanged, func(e *autoscale.Event) {
		unmeasured(e)
		e.Detail, e.Min, e.Max = "this process no longer leads", 0, 0
	})
	add("", autoscale.NotifyFailed, func(e *autoscale.Event) {
		e.Count, e.Err = 3, errors.New("Notifiers[0]: notify: webhook to hooks.example.com: status 503")
	})
	add("", autoscale.Panicked, func(e *autoscale.Event) {
		unmeasured(e)
		e.Detail, e.Err = "Prober", errors.New("panic: runtime error: invalid memory address or nil pointer dereference")
	})
	add("notifier", autoscale.Panicked, func(e *autoscale.Event) { e.Detail, e.Err = "Notifiers", errors.New("panic: no such user") })
	add("silent", autoscale.StoreFailing, func(e *autoscale.Event) {
		unmeasured(e)
		e.Min, e.Max, e.Detail, e.Err = 0, 0, "it last answered 2m10s ago", errors.New("leader: load the state: connection refused")
	})
	add("unsaved", autoscale.StoreFailing, func(e *autoscale.Event) {
		unmeasured(e)
		e.Min, e.Max, e.Err = 0, 0, errors.New("leader: save the state: disk full")
	})
	add("", autoscale.Ineffective, func(e *autoscale.Event) {
		e.Decision, e.Count, e.Limit, e.Until = high, 3, limit.ByDiminishingReturns, Now.Add(10*time.Minute)
	})
	add("short", autoscale.BudgetShort, func(e *autoscale.Event) { e.Detail = "40.2 of 50 process-hours of day are spent" })
	add("spent", autoscale.BudgetShort, func(e *autoscale.Event) {
		e.From, e.To, e.Limit = 1, 1, limit.ByBudget
		e.Detail = "50.0 of 50 process-hours of day are spent; no more than Min, which is 1, is ordered until the period ends"
	})
	add("", autoscale.WarmingUp, func(e *autoscale.Event) { unmeasured(e); e.Detail = "traffic: the first requests are being measured" })
	add("", autoscale.Stalled, func(e *autoscale.Event) {
		e.Detail = "Prober has not returned for 45s: it must return when its context ends"
	})
	add("", autoscale.NotFollowed, func(e *autoscale.Event) { e.Decision, e.From, e.To = high, 3, 5 })
	add("tolerance", autoscale.NotFollowed, func(e *autoscale.Event) {
		e.Decision, e.From, e.To, e.Max = because(11, "9.6 requests in flight"), 10, 11, 20
		e.Detail = "a HorizontalPodAutoscaler ignores a difference of up to 10 %, unless its behavior.scaleUp.tolerance and behavior.scaleDown.tolerance are 0, which takes Kubernetes 1.35"
	})
	return all
}

// Hostile is a text that is markup, or would do harm, in one of the services.
const Hostile = "<!channel> @everyone *b* _i_ ~s~ `c` [x](https://evil.example) <b>&amp;</b> <@U1> {{DATE(2026-01-01T00:00:00Z)}} :fire:\r\n# h1\n- li\x00\u202e||sp|| \\ <script>alert(1)</script>"

// HostileEvent returns an event whose every text is Hostile.
func HostileEvent() autoscale.Event {
	return autoscale.Event{
		Kind: autoscale.NeedsAboveMax, Phase: autoscale.Began, Time: Now, Since: Now, Name: Hostile, From: 5, To: 5, Min: 1, Max: 5,
		Sample:   autoscale.Sample{Signals: autoscale.SignalLatency, Latency: time.Second, Failure: autoscale.Timeout, Detail: Hostile},
		Decision: autoscale.Decision{Act: true, Size: 9, Reason: autoscale.Reason{Detail: autoscale.ReasonText(Hostile)}},
		Err:      errors.New(Hostile), Detail: Hostile,
	}
}
