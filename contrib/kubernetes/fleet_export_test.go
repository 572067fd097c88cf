package kubernetes

// ShardOf is for tests that look up the lease of a target.
var ShardOf = shardOf

// Assign is for tests of how shards are divided.
var Assign = assign

// EndLeaseBudget leaves no room for requests of the leases of f.
func EndLeaseBudget(f *Fleet) {
	f.leases.client.limiter.SetLimit(0)
	f.leases.client.limiter.SetBurst(0)
}

// LeaseQPS returns how many requests a second the leases of f may send.
func LeaseQPS(f *Fleet) float64 { return float64(f.leases.client.limiter.Limit()) }
