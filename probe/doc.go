// Package probe has the probers that ask somebody else: a page of the service, a
// monitoring system, or a database.
//
//	| Prober                | measures                                | rule               |
//	|-----------------------|-----------------------------------------|--------------------|
//	| [HTTP]                | the latency of a page; queue and        | rule.MOfN          |
//	|                       | service time of that page               |                    |
//	| [SQLBacklog]          | the jobs that wait in a database, their | rule.Backlog       |
//	|                       | age, and those under way                |                    |
//	| [JSON]                | one number of another program           | depends on it      |
//
// A web service in Go should be measured from inside, with package traffic: a page that
// is requested now and then meets one process of many, and says little.
//
//	p := &probe.HTTP{URL: "https://www.example.com/autoscalebot/heartbeat/"}
//	go autoscale.New(autoscale.Config{Prober: p, Scaler: scaler}).Run(ctx)
//
// A Config without a Decider uses the rule of the table.
package probe
