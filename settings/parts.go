package settings

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
)

// prober makes the Prober, and says how long it waits for an answer.
func (v *values) prober(client *heroku.Client) (autoscale.Prober, time.Duration) {
	if v.measurement == jsonBackend {
		return v.jsonProber(client), v.jsonTimeout
	}
	timeout := v.timeout
	if timeout == 0 {
		timeout = patience * v.high
	}
	p := &probe.HTTP{
		URL: v.heartbeatURL, Timeout: timeout, Header: v.heartbeatHeader,
		Requests: v.requests, Percentile: v.percentile, Split: v.split, ServerLatency: v.serverLatency,
	}
	if strings.HasPrefix(v.heartbeatURL, "/") {
		p.Base = client.WebURL(v.app)
	}
	if v.heartbeatToken != "" {
		p.Header = maps.Clone(p.Header)
		if p.Header == nil {
			p.Header = make(http.Header)
		}
		p.Header.Set("Authorization", "Bearer "+v.heartbeatToken)
	}
	return p, timeout
}

// jsonProber makes a prober for each number that is measured.
func (v *values) jsonProber(client *heroku.Client) autoscale.Prober {
	var probers []autoscale.Prober
	for _, at := range v.paths() {
		p := &probe.JSON{URL: v.jsonURL, Path: at.path, Ordered: v.jsonOrdered, Signal: at.signal, Timeout: v.jsonTimeout, Header: v.jsonHeader}
		if strings.HasPrefix(v.jsonURL, "/") {
			p.Base = client.WebURL(v.app)
		}
		probers = append(probers, p)
	}
	if len(probers) == 1 {
		return probers[0]
	}
	return autoscale.Merge(probers...)
}

// paths returns JSON_PATH, with the signal of each number.
func (v *values) paths() []signalPath {
	if len(v.jsonPaths) == 0 {
		v.jsonPaths = []signalPath{{}}
	}
	for i := range v.jsonPaths {
		if v.jsonPaths[i].signal != 0 {
			continue
		}
		v.jsonPaths[i].signal = v.jsonSignal
		if v.jsonSignal == 0 {
			v.jsonPaths[i].signal = v.needs()[0]
		}
	}
	return v.jsonPaths
}

// needs returns the signals that the rule needs. Of those in one element, any is enough.
func (v *values) needs() []autoscale.Signals {
	switch {
	case v.rule == backlogRule:
		return []autoscale.Signals{autoscale.SignalBacklog}
	case v.rule == trackingRule && v.tracking.Concurrency > 0:
		return []autoscale.Signals{autoscale.SignalServiceTime, autoscale.SignalArrivals | autoscale.SignalThroughput}
	case v.rule == trackingRule:
		return []autoscale.Signals{autoscale.SignalUtilization}
	}
	return []autoscale.Signals{autoscale.SignalLatency}
}

// measured looks whether what is measured is what the rule needs.
func (l *loader) measured(v *values, about func(string) given) {
	if l.bad["DECISION_BACKEND"] || l.bad["MEASUREMENT_BACKEND"] || l.bad["JSON_URL"] || l.bad["JSON_PATH"] || l.bad["JSON_SIGNAL"] {
		return
	}
	if v.measurement == heartbeatBackend {
		if v.rule == trackingRule || v.rule == backlogRule {
			l.fault(about("DECISION_BACKEND"), "is %s, which a heartbeat cannot measure: write MEASUREMENT_BACKEND=%s and give JSON_URL, or choose %s", v.rule, jsonBackend, mOfNRule)
		}
		return
	}
	if v.jsonURL == "" {
		l.fault(about("MEASUREMENT_BACKEND"), "is %s, which needs JSON_URL: give it", jsonBackend)
		return
	}
	var all autoscale.Signals
	for _, p := range v.paths() {
		all |= p.signal
	}
	for _, need := range v.needs() {
		if all&need == 0 {
			l.fault(about("DECISION_BACKEND"), "is %s, which needs the signal %s, and JSON_PATH and JSON_SIGNAL measure %s: give the numbers that the rule needs, as JSON_PATH={\"signal\": \"path\"}",
				v.rule, strings.ReplaceAll(need.String(), "|", " or "), strings.ReplaceAll(all.String(), "|", " and "))
			return
		}
	}
	for _, k := range []struct {
		name  string
		given bool
		need  autoscale.Signals
	}{
		{"BACKLOG_FINISH", v.jobs.Finish, autoscale.SignalBusy},
		{"BACKLOG_MAX_AGE_IN_SECONDS", v.jobs.MaxAge > 0, autoscale.SignalQueueTime},
		{"BACKLOG_DRAIN_IN_SECONDS", v.jobs.Drain > 0, autoscale.SignalThroughput | autoscale.SignalServiceTime},
	} {
		if v.rule == backlogRule && k.given && all&k.need == 0 {
			l.fault(about(k.name), "needs the signal %s, which JSON_PATH does not measure: give its path beside that of backlog, as JSON_PATH={\"backlog\": \"path\", \"%s\": \"path\"}",
				strings.ReplaceAll(k.need.String(), "|", " or "), strings.Split(k.need.String(), "|")[0])
		}
	}
}

// decider returns the rule.
func (v *values) decider() autoscale.Decider {
	switch v.rule {
	case averageRule:
		return rule.Average{N: v.averageOf, Low: v.low, High: v.high, Increment: v.increment, Failures: v.failures}
	case mOfNRule:
		r := v.mOfN
		r.Failures = v.failures
		return r
	case trackingRule:
		return v.tracking
	case backlogRule:
		return v.jobs
	}
	return autoscale.Consecutive{Low: v.low, High: v.high, UpAfter: v.upAfter, DownAfter: v.downAfter, Increment: v.increment, Failures: v.failures}
}
