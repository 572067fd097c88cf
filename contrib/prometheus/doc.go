// Package autoscaleprom shows an [autoscale.Autoscaler] to Prometheus. It is a collector
// that reads Status when it is scraped. It does nothing in a tick or between two
// scrapes.
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(autoscaleprom.NewCollector(a))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// The name of the package is not that of its folder, so that you can import it together
// with the package prometheus of client_golang. It registers nothing by itself: you
// choose the Registerer, and may add labels with prometheus.WrapRegistererWith.
//
// # Which process is scraped
//
// Scrape every process. Each exports what it knows about itself: whether it leads, and
// counters of what it did since it started. Only the leader exports what only the leader
// knows, such as the size and the load. So these queries are correct, whichever process
// leads:
//
//	max by (name) (autoscale_process_desired)
//	max by (name) (autoscale_leader)
//	sum by (name) (rate(autoscale_scales_total[5m]))
//
// Aggregate the leader's metrics with max. While the lead changes, the series of two
// processes may overlap for one scrape. If several services in one Prometheus have
// process types of the same name, add a label that distinguishes them, such as job.
// Without an Elector every process acts, and every process exports everything.
//
// If a scrape goes through a router that picks a random process, as on Heroku, it sees
// one process at a time, and mixes the counters of all processes in one series. In that
// case add a label for the process, such as the dyno, and scrape or push from each
// process.
//
// # What is here
//
// README.md has the table of all metrics. rules.yml has alerts, and dashboard.json a
// dashboard for Grafana. The labels are few: the Name of the Config, conditions, limits,
// failures of the service, and the codes of reasons. A code that is not made of up to 40
// lower-case letters and underscores is exported as "other".
//
// A value that is not known is absent: it is never exported as 0.
//
// This module requires client_golang, which links 10 modules. The root module does not
// require it.
package autoscaleprom
