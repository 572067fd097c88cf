// Package wire has the headers by which a prober and a heartbeat understand each other.
package wire

const (
	// HeaderTimeout carries the timeout of the prober in whole milliseconds, so that the
	// heartbeat can answer a little before it.
	HeaderTimeout = "Autoscale-Timeout-Ms"
	// HeaderHeartbeat is the answer of the heartbeat: "ok"; "shed" if it is too busy to
	// measure; "fail" if something that the service depends on is down.
	HeaderHeartbeat = "Autoscale-Heartbeat"
)
