package autoscale

// Counters count what happened since the Autoscaler was made.
type Counters struct {
	Ticks          uint64 `json:"ticks"`
	Probes         uint64 `json:"probes"`          // probes that measured something
	ProbeFailures  uint64 `json:"probe_failures"`  // probes that measured nothing
	Scales         uint64 `json:"scales"`          // orders that the platform took
	ScaleFailures  uint64 `json:"scale_failures"`  // orders and readings that failed
	Changes        uint64 `json:"changes"`         // changes of the size by somebody else
	Notified       uint64 `json:"notified"`        // notifications that were sent
	NotifyFailures uint64 `json:"notify_failures"` // notifications that failed
	Dropped        uint64 `json:"dropped"`         // notifications for which there was no room or no time
	Panics         uint64 `json:"panics"`          // panics that were recovered
}

func (c *Counters) add(more Counters) {
	c.Ticks += more.Ticks
	c.Probes += more.Probes
	c.ProbeFailures += more.ProbeFailures
	c.Scales += more.Scales
	c.ScaleFailures += more.ScaleFailures
	c.Changes += more.Changes
	c.Notified += more.Notified
	c.NotifyFailures += more.NotifyFailures
	c.Dropped += more.Dropped
	c.Panics += more.Panics
}
