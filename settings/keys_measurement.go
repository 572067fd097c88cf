package settings

import (
	"net/http"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/probe"
)

// The values of MEASUREMENT_BACKEND.
const (
	heartbeatBackend = "heartbeat"
	jsonBackend      = "json"
)

var measurementKeys = []key{
	{
		heading: "What is measured",
		name:    "MEASUREMENT_BACKEND", initial: heartbeatBackend,
		field: "Prober",
		doc:   "What is measured: heartbeat, the latency of HEARTBEAT_URL, or json, a number in the answer of JSON_URL.",
		read:  word(func(v *values) *string { return &v.measurement }, heartbeatBackend, jsonBackend),
	},
	{
		name: "HEARTBEAT_URL", initial: "/autoscalebot/heartbeat/", secret: true,
		measures: heartbeatBackend,
		field:    "probe.HTTP.URL, probe.HTTP.Base",
		doc:      "What is requested: a whole URL, or a path of the app, whose URL Heroku is asked for.",
		read:     pageURL("HEARTBEAT_URL", func(v *values) *string { return &v.heartbeatURL }),
	},
	{
		name: "HEARTBEAT_TOKEN", secret: true,
		measures: heartbeatBackend,
		field:    "probe.HTTP.Header",
		doc:      "The bearer token of the heartbeat, if it has one. A secret.",
		read:     token(func(v *values) *string { return &v.heartbeatToken }),
	},
	{
		name: "HEARTBEAT_HEADERS", secret: true,
		measures: heartbeatBackend,
		field:    "probe.HTTP.Header",
		doc:      `Further headers of the request, as {"X-Probe": "1"}. A secret.`,
		read:     headers(func(v *values) *http.Header { return &v.heartbeatHeader }),
	},
	{
		name: "HEARTBEAT_INTERVAL_IN_SECONDS", initial: "30", sample: "5",
		field: "Interval",
		doc:   "From the start of one measurement to the start of the next. The rule m_of_n needs 5.",
		read:  span(time.Second, "seconds", 100*time.Millisecond, func(v *values) *time.Duration { return &v.interval }),
	},
	{
		name:     "HEARTBEAT_TIMEOUT_IN_MS",
		measures: heartbeatBackend,
		field:    "probe.HTTP.Timeout",
		doc:      "How long to wait for a response. Without it: twice MAX_RESPONSE_TIME_IN_MS.",
		read:     span(time.Millisecond, "milliseconds", time.Millisecond, func(v *values) *time.Duration { return &v.timeout }),
	},
	{
		name: "HEARTBEAT_REQUESTS", initial: "1",
		measures: heartbeatBackend,
		field:    "probe.HTTP.Requests",
		doc:      "How many requests make one measurement, at most 32. Several are sent at the same time.",
		read:     between(1, 32, func(v *values) *int { return &v.requests }),
	},
	{
		name: "HEARTBEAT_PERCENTILE", initial: "50",
		measures: heartbeatBackend,
		field:    "probe.HTTP.Percentile",
		doc:      "Which of several HEARTBEAT_REQUESTS counts: 50 is the median, 100 the slowest.",
		read:     number(1, 0.1, 100, "a percentile", func(v *values) *float64 { return &v.percentile }),
	},
	{
		name: "HEARTBEAT_SPLIT", initial: "false",
		measures: heartbeatBackend,
		field:    "probe.HTTP.Split",
		doc:      "Measure the queue time and the service time of the heartbeat too, which DIMINISHING_RETURNS_AFTER and notifications use.",
		read:     flag(func(v *values) *bool { return &v.split }),
	},
	{
		name: "HEARTBEAT_SERVER_LATENCY", initial: "false",
		measures: heartbeatBackend,
		field:    "probe.HTTP.ServerLatency",
		doc:      "Measure the service's share of the latency alone, without the network and TLS.",
		read:     flag(func(v *values) *bool { return &v.serverLatency }),
	},
	{
		name: "JSON_URL", secret: true,
		measures: jsonBackend,
		field:    "probe.JSON.URL, probe.JSON.Base",
		doc:      "What is requested: a path of the app, or a whole URL, such as one of Prometheus. It must answer with JSON.",
		read:     pageURL("JSON_URL", func(v *values) *string { return &v.jsonURL }),
	},
	{
		name:     "JSON_PATH",
		measures: jsonBackend,
		field:    "probe.JSON.Path",
		doc:      `Where in the answer the number is, as data.result.0.value.1. For several numbers, give the path of each signal: {"backlog": "ready", "busy": "unacked"}. Without it: the answer is the number.`,
		read:     jsonPaths,
	},
	{
		name: "JSON_ORDERED", initial: "false",
		measures: jsonBackend,
		field:    "probe.JSON.Ordered",
		doc:      "Whether an index in JSON_PATH may pick one of several objects, because their order means something.",
		read:     flag(func(v *values) *bool { return &v.jsonOrdered }),
	},
	{
		name:     "JSON_SIGNAL",
		measures: jsonBackend,
		field:    "probe.JSON.Signal",
		doc:      "What the number at JSON_PATH is: latency (in seconds), utilization (0.6 is 60 %), backlog and so on. Without it: what the rule needs.",
		read:     signal(func(v *values) *autoscale.Signals { return &v.jsonSignal }),
	},
	{
		name: "JSON_TIMEOUT_IN_MS", initial: milliseconds(probe.DefaultTimeout),
		measures: jsonBackend,
		field:    "probe.JSON.Timeout",
		doc:      "How long to wait for the answer.",
		read:     span(time.Millisecond, "milliseconds", time.Millisecond, func(v *values) *time.Duration { return &v.jsonTimeout }),
	},
	{
		name: "JSON_HEADERS", secret: true,
		measures: jsonBackend,
		field:    "probe.JSON.Header",
		doc:      `The headers of the request, as {"Authorization": "Bearer s3cret"}. A secret.`,
		read:     headers(func(v *values) *http.Header { return &v.jsonHeader }),
	},
}
