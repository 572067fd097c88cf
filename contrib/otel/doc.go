// Package autoscaleotel shows an [autoscale.Autoscaler] to OpenTelemetry. It creates
// observable instruments, which read Status when metrics are collected. Nothing is done in
// a tick, and nothing between two collections.
//
//	registration, err := autoscaleotel.Register(otel.GetMeterProvider(), a)
//
// It uses the API of metrics alone. The SDK, the exporter and the interval are the host's.
//
// # Which process exports
//
// Every process should. Each exports what it knows of itself: whether it leads, and
// counters of what it did since it started. What only the leader knows, such as the size
// and the load, comes from the leader alone. So the maximum and the sum over the processes
// are right, whichever process leads. The resource must tell processes apart, as
// service.instance.id does. Without an Elector every process acts, and every process
// exports everything.
//
// # Names
//
// README.md has the table of all metrics. Each has the attribute autoscale.name, which is
// Config.Name. Some have one more, as autoscale.condition. A value that is not known is
// not observed. It is never 0.
//
// An exporter for Prometheus makes the names of package autoscaleprom of these: of
// autoscale.process.desired it makes autoscale_process_desired. The labels differ: they are
// autoscale_name there, and name in autoscaleprom, whose alerts and dashboard use the latter.
//
// This module requires the API of OpenTelemetry's metrics, which links 3 modules. The
// SDK is required only by tests.
package autoscaleotel
