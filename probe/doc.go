// Package probe measures a service from outside. Each prober asks a page of the service, a
// database, or another program such as a monitoring system.
//
//   - [HTTP] measures the latency of a page and, if asked, its queue time and service
//     time. Its rule is [rule.MOfN].
//   - [SQLBacklog] measures the jobs that wait in a database, the age of the oldest, and
//     how many are under way. Its rule is [rule.Backlog].
//   - [JSON] measures one number that another program knows. Its rule depends on the signal
//     that the number stands for.
//
// An [autoscale.Config] without a Decider uses the rule of its Prober. [autoscale.Merge]
// makes one Prober of several.
//
// Inside a web service in Go, package traffic is the better choice. It sees every request.
// A prober only now and then sees one request to one of many processes.
//
//	p := &probe.HTTP{URL: "https://www.example.com/autoscalebot/heartbeat/"}
//	err := autoscale.New(autoscale.Config{
//		Prober: p,
//		Scaler: scaler,
//		Max:    autoscale.Fixed(5),
//	}).Run(ctx)
package probe
