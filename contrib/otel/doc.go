// Package autoscaleotel shows an [autoscale.Autoscaler] to OpenTelemetry. It creates
// observable instruments, which read Status when metrics are collected. It does nothing in
// a tick or between two collections.
//
//	registration, err := autoscaleotel.Register(otel.GetMeterProvider(), a)
//
// The package uses only the metrics API. The host chooses the SDK, the exporter and the
// interval.
//
// # Which process exports
//
// Every process should export. Each exports what it knows about itself: whether it leads,
// and counters of what it did since it started. Only the leader exports what only the
// leader knows, such as the size and the load. So the maximum and the sum over the
// processes are correct, whichever process leads. The resource must distinguish the
// processes, for example by service.instance.id. Without an Elector every process acts,
// and every process exports everything.
//
// # Names
//
// README.md has the table of all metrics. Each has the attribute autoscale.name, which is
// Config.Name. Some have one more, such as autoscale.condition. A value that is not known
// is not observed: it is never exported as 0.
//
// An exporter for Prometheus turns these names into those of package autoscaleprom, for
// example autoscale.process.desired into autoscale_process_desired. But the label differs:
// the exporter calls it autoscale_name, and autoscaleprom calls it name. The alerts and
// the dashboard of autoscaleprom use name.
//
// This module requires the API of OpenTelemetry's metrics, which links 3 modules. The
// SDK is required only by tests.
package autoscaleotel
