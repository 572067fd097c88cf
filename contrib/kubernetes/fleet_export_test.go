package kubernetes

// ShardOf is for tests that look up the lease of a target.
var ShardOf = shardOf

// FleetObject is for tests that look up an object of a fleet.
var FleetObject = fleetObject

// Remembered returns how many states of targets f has in memory.
func Remembered(f *Fleet) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.held {
		n += len(t.states)
	}
	return n
}

// Assign is for tests of how shards are divided.
var Assign = assign

// EndLeaseBudget leaves no room for requests of the leases of f.
func EndLeaseBudget(f *Fleet) {
	f.leases.client.limiter.SetLimit(0)
	f.leases.client.limiter.SetBurst(0)
}

// LeaseQPS returns how many requests a second the leases of f may send.
func LeaseQPS(f *Fleet) float64 { return float64(f.leases.client.limiter.Limit()) }
