// Package autoscaleprom shows an [autoscale.Autoscaler] to Prometheus. It is a collector
// that reads Status when it is scraped. Nothing is done in a tick, and nothing between
// two scrapes.
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(autoscaleprom.NewCollector(a))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// The package has another name than its folder, so that it can be imported beside
// client_golang, whose package is named prometheus. It registers nothing by itself: you
// choose the Registerer, and may add labels with prometheus.WrapRegistererWith.
//
// # Which process is scraped
//
// Scrape every process. Each exports what it knows of itself: whether it leads, and
// counters of what it did since it started. Only the leader exports what only the leader
// knows, such as the size and the load. So these are right, whichever process leads:
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
// A scrape through a router that picks a random process, as on Heroku, sees one process
// at a time, and the counters of many processes as one. Add a label for the process
// there, such as the dyno, and scrape or push from each process.
//
// # What is here
//
// README.md has the table of all metrics. rules.yml has alerts, and dashboard.json a
// dashboard for Grafana. The labels are few: the Name of the Config, conditions, limits,
// failures of the service, and the codes of reasons. A code that is not made of up to 40
// lower-case letters and underscores is exported as "other".
//
// A value that is not known is absent. It is never 0.
//
// This module requires client_golang, which links 10 modules. The root module does not
// require it.
package autoscaleprom
