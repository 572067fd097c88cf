package settings

import (
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/limit"
)

// check looks at what settings say together. It passes over what could not be read.
func (l *loader) check(v *values, chosen map[string]given) {
	// about names a setting whose value is its default, too.
	about := func(name string) given {
		if g, ok := chosen[name]; ok {
			return g
		}
		return given{name: name}
	}
	if !l.bad["MAX_DYNOS"] && !l.bad["MIN_DYNOS"] {
		l.bounds(v, about("MIN_DYNOS"), about("MAX_DYNOS"))
	}
	if strings.Contains(thresholds, v.rule) && !l.bad["MAX_RESPONSE_TIME_IN_MS"] && !l.bad["MIN_RESPONSE_TIME_IN_MS"] && v.low >= v.high {
		g := about("MIN_RESPONSE_TIME_IN_MS")
		if g.where == "" {
			g = about("MAX_RESPONSE_TIME_IN_MS")
		}
		l.fault(g, "leaves no response just right: MIN_RESPONSE_TIME_IN_MS is %v and MAX_RESPONSE_TIME_IN_MS is %v, and the first must be below the second", v.low, v.high)
	}
	const threshold, period = "NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD", "NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES"
	l.together(chosen, threshold, period)
	l.together(chosen, period, threshold)

	l.measured(v, about)
	l.elsewhere(v, about)
	for i := range keys {
		k := &keys[i]
		switch {
		case l.bad["DECISION_BACKEND"] || l.bad["MEASUREMENT_BACKEND"]:
		case k.rules != "" && !slices.Contains(strings.Fields(k.rules), v.rule):
			l.idle(chosen, "DECISION_BACKEND is "+v.rule, k.name)
		case k.platform != "" && k.platform != v.platform && !l.bad["PLATFORM"]:
			l.idle(chosen, "PLATFORM is "+v.platform, k.name)
		case k.measures != "" && k.measures != v.measurement:
			l.idle(chosen, "MEASUREMENT_BACKEND is "+v.measurement, k.name)
		}
	}
	if l.bad["NOTIFICATION_BACKENDS"] {
		return
	}
	for _, b := range backendNames {
		needs := backendNeeds[b]
		if !slices.ContainsFunc(v.backends, func(other backend) bool { return other.name == b }) {
			l.idle(chosen, "NOTIFICATION_BACKENDS does not name "+b, slices.Concat(needs.required, needs.optional)...)
			continue
		}
		for _, name := range needs.required {
			if _, ok := chosen[name]; !ok {
				l.fault(about("NOTIFICATION_BACKENDS"), "names %s, which needs %s: give it, or take %s out", b, name, b)
			}
		}
	}
}

// backendNeeds are the settings that are of use to one backend alone.
var backendNeeds = map[string]struct{ required, optional []string }{
	"email":    {[]string{"SMTP_URL", "ADMINS"}, []string{"EMAIL_FROM"}},
	"webhook":  {[]string{"WEBHOOK_URL"}, []string{"WEBHOOK_SECRET"}},
	"slack":    {[]string{"SLACK_WEBHOOK_URL"}, nil},
	"slackbot": {[]string{"SLACK_BOT_TOKEN", "SLACK_CHANNEL"}, nil},
	"discord":  {[]string{"DISCORD_WEBHOOK_URL"}, nil},
	"teams":    {[]string{"TEAMS_WEBHOOK_URL"}, nil},
}

// together reports that the first was given without the second.
func (l *loader) together(chosen map[string]given, first, second string) {
	g, ok := chosen[first]
	if _, both := chosen[second]; ok && !both {
		l.fault(g, "is given without %s: give both, or neither", second)
	}
}

// idle warns of settings that were changed to no effect. Variables without prefix are
// passed over: they may be meant for another program.
func (l *loader) idle(chosen map[string]given, because string, names ...string) {
	for _, name := range names {
		if g, ok := chosen[name]; ok && g.value != find(name).initial && (g.line > 0 || g.name != g.bare()) {
			l.warn("%s has no effect: %s", g, because)
		}
	}
}

// bounds looks for a time of day at which MIN_DYNOS is above MAX_DYNOS, or 0.
func (l *loader) bounds(v *values, low, high given) {
	g := low
	if g.where == "" {
		g = high
	}
	zero := ""
	for _, t := range moments(v.zone, v.min, v.max) {
		at := " at all times"
		if !v.min.Next(t).IsZero() || !v.max.Next(t).IsZero() {
			at = t.Format(" at 15:04")
		}
		if a, b := v.min.At(t), v.max.At(t); a > b {
			l.fault(g, "does not go with the other bound:%s MIN_DYNOS is %d and MAX_DYNOS is %d, and MIN_DYNOS must not be above MAX_DYNOS", at, a, b)
			return
		} else if a == 0 && zero == "" {
			zero = at
		}
	}
	if zero != "" {
		l.warn("MIN_DYNOS is 0%s: with no process left the heartbeat fails, which counts as too high and adds one again", zero)
	}
}

// moments returns a time in each stretch of a day in which both schedules keep
// their sizes. They are the same every day.
func moments(loc *time.Location, a, b autoscale.Schedule) []time.Time {
	t := time.Date(2025, time.July, 8, 0, 0, 0, 0, loc) // no clocks are changed about that day
	end := t.AddDate(0, 0, 1)
	var all []time.Time
	for {
		all = append(all, t)
		next, other := a.Next(t), b.Next(t)
		if next.IsZero() || !other.IsZero() && other.Before(next) {
			next = other
		}
		if next.IsZero() || !next.Before(end) {
			return all
		}
		t = next
	}
}

// patience is how many times MAX_RESPONSE_TIME_IN_MS a response is waited for.
// What is slower than once is too high whether it comes or not. But the package
// heartbeat ends its checks a little before the prober gives up, and says then
// that something is down, which adds no process: with once alone, a database
// that is merely slow would look like one that hangs.
const patience = 2

// spareTime is the time that a tick has in addition to the heartbeat, for the calls
// of Heroku's API.
const spareTime = 10 * time.Second

// config makes the Config. It is given values that may not go together; what
// comes of these is never used.
func (l *loader) config(v *values, o Options) autoscale.Config {
	client := heroku.NewClient(v.apiKey, &heroku.Options{BaseURL: v.apiURL, TokenName: "HEROKU_API_KEY"})
	prober, timeout := v.prober(client)
	v.limits.Forecast.Location, v.limits.Budget.Location = v.zone, v.zone
	if v.limits.Forecast.Share == 0 {
		v.limits.Forecast = limit.Forecast{}
	}
	if v.limits.Budget.Hours == 0 {
		v.limits.Budget = limit.Budget{}
	}
	if v.limits.DiminishingReturns.After == 0 {
		v.limits.DiminishingReturns = limit.DiminishingReturns{}
	}
	cfg := autoscale.Config{
		Name:     v.process,
		Prober:   namedProber{prober},
		Decider:  v.decider(),
		Scaler:   l.scaler(v, client),
		Min:      v.min,
		Max:      v.max,
		Interval: v.interval,
		// A response that may take longer than the interval must not be cut
		// short by it, or a slow service would look like one that was not measured.
		Timeout:       max(v.interval, timeout+spareTime),
		Limits:        v.limits,
		BootTime:      v.boot,
		NotifyOn:      v.kinds(),
		NotifyDiff:    autoscale.Diff{Threshold: v.diffThreshold, Period: v.diffPeriod},
		RepeatAfter:   v.repeatAfter,
		DryRun:        v.dryRun,
		RecommendOnly: v.recommendOnly,
		Logger:        o.Logger,
	}
	if cfg.RepeatAfter == 0 {
		cfg.RepeatAfter = -1 // never, where the Config's 0 is its default
	}
	for _, b := range v.backends {
		cfg.Notifiers = append(cfg.Notifiers, v.notifier(b, o))
	}
	return cfg
}

// kinds returns what the NOTIFY settings come to.
func (v *values) kinds() autoscale.EventKind {
	kinds := autoscale.DefaultKinds &^ autoscale.NeedsAboveMax
	for _, k := range []struct {
		on   bool
		kind autoscale.EventKind
	}{
		{v.aboveMax, autoscale.NeedsAboveMax},
		{v.belowMin, autoscale.NeedsBelowMin},
		{v.scaleFails, autoscale.ScaleFailed},
		{v.scales, autoscale.Scaled},
		{v.pings, autoscale.Probed},
		{v.diffThreshold > 0, autoscale.DiffExceeded},
	} {
		if k.on {
			kinds |= k.kind
		}
	}
	return kinds
}
