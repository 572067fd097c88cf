package kubernetes

// ShardOf is for tests that look up the lease of a target.
var ShardOf = shardOf

// Assign is for tests of how shards are divided.
var Assign = assign
