// Package autoscaleotel shows an [autoscale.Autoscaler] to OpenTelemetry. It creates
// observable instruments, which read Status when metrics are collected. Nothing is done in
// a tick, and nothing between two collections.
//
//	registration, err := autoscaleotel.Register(otel.GetMeterProvider(), a)
//
// The package uses only the metrics API. The host chooses the SDK, the exporter and the
// interval.
//
// # Which process exports
//
// Every process should export. Each exports what it knows of itself: whether it leads,
// and counters of what it did since it started. Only the leader exports what only the
// leader knows, such as the size and the load. So the maximum and the sum over the
// processes are right, whichever process leads. The resource must distinguish the
// processes, as service.instance.id does. Without an Elector every process acts, and
// every process exports everything.
//
// # Names
//
// README.md has the table of all metrics. Each has the attribute autoscale.name, which is
// Config.Name. Some have one more, as autoscale.condition. A value that is not known is
// not observed. It is never 0.
//
// An exporter for Prometheus turns these names into those of package autoscaleprom, as
// autoscale.process.desired into autoscale_process_desired. But the label differs: it is
// autoscale_name there, and name in autoscaleprom. The alerts and the dashboard of
// autoscaleprom use name.
//
// This module requires the API of OpenTelemetry's metrics, which links 3 modules. The
// SDK is required only by tests.
package autoscaleotel
