// Package probe measures a service from outside: each prober asks a page of the service,
// another program such as a monitoring system, or a database.
//
//   - [HTTP] measures the latency of a page and, if asked, its queue time and service
//     time. Its rule is [rule.MOfN].
//   - [SQLBacklog] measures the jobs that wait in a database, the age of the oldest, and
//     how many are under way. Its rule is [rule.Backlog].
//   - [JSON] measures one number that another program knows. Its rule depends on which
//     signal the number is.
//
// An [autoscale.Config] without a Decider uses that rule. [autoscale.Merge] makes one Prober
// of several.
//
// Inside a web service in Go, package traffic is the better choice. It sees every request,
// and a prober sees one request to one of many processes now and then.
//
//	p := &probe.HTTP{URL: "https://www.example.com/autoscalebot/heartbeat/"}
//	err := autoscale.New(autoscale.Config{
//		Prober: p,
//		Scaler: scaler,
//		Max:    autoscale.Fixed(5),
//	}).Run(ctx)
package probe
