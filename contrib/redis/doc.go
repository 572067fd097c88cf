// Package redis keeps the lease of package leader in Redis 5 or later, or Valkey:
// of the many processes that run the same autoscaler one acts.
//
//	Elector: redis.New(client, nil), // the go-redis client that the service has anyway
//
// Where the service has a PostgreSQL database as well, [leader.SQL] promises more.
//
// It also measures the queues that are in Redis, those of Celery and Sidekiq for
// instance: see [Backlog].
//
// # The lease
//
// There is one key for each name, "autoscale:lease:" and the name, with a hash in
// it. The default name is that of package leader. Because a lease is one key, it also
// works in Redis Cluster. Each operation is one Lua script, which is atomic, and one
// round trip. The first after a restart of the server, which forgets its scripts, is two.
//
// The hash never expires: the moment at which the lease does is a field of it,
// set and compared by the server's clock within the script. An expiry of Redis's
// own would go by the same clock, but take the term and the leader's state with
// it. As keys without an expiry are spared by the volatile-* policies for a full
// memory, these are safe for a lease, and so is noeviction; the allkeys-* policies
// are not.
//
// The number of a term is the server's clock when it began, in microseconds since
// 1970, or else one more than the greatest term that the key or the process knows.
//
// # Why it is weaker than SQL
//
// What PostgreSQL confirms, it has written to disk, and forgets only in a failover
// to a copy that is behind. Redis confirms first:
//
//   - It replicates afterwards. A replica that is promoted may not know of the
//     lease, or of its last renewals, and processes that still reach the old
//     primary can go on renewing there: two lead, one on each server, for as long
//     as each reaches its own. The server's settings min-replicas-to-write and
//     min-replicas-max-lag end this: a primary that its replicas have left takes
//     no renewals then.
//   - It writes to disk afterwards, by default after up to a second
//     (appendfsync everysec), or never. Restarted, the server may have forgotten
//     the lease: another process leads while the old one trusts itself, for at
//     most the TTL. With the lease it forgets the state and the command: a pause
//     that somebody ordered is over, a notice may be told again.
//
// Numbering terms by the clock keeps them apart all the same: a server that has
// forgotten everything goes on above all earlier terms, and two servers do not
// give out the same one, short of the same microsecond. Two things it cannot do.
// Where the forgetful server's clock is behind that of the other, its terms are
// too, unless the processes remember greater ones. And a greater term does not
// stop the other leader, since neither Redis nor Heroku compares the two.
//
// What bounds the harm is not Redis. A leader that cannot renew stops trusting
// itself before its lease expires, by its own clock; once the old primary is gone
// or is a replica, one leads. Sizes are ordered as absolute numbers, read from the
// platform in the same tick and within the bounds, so that two leaders order what
// either would have ordered alone, and never the sum; the next tick corrects the
// rest. Cooldowns also count from the platform's own record of the last change.
//
// # The client
//
// Use a [redis.Client], also of Sentinel, or a [redis.ClusterClient]; a
// [redis.Ring] is refused, as it moves a name to another server when one is down.
// The client is not closed. A call ends when its context does. The client itself
// gives a connection up only after its ReadTimeout, unless its option
// ContextTimeoutEnabled is set, which is worth it.
//
// A user with these rights is enough:
//
//	ACL SETUSER autoscale on >… ~autoscale:lease:* +eval +evalsha +time +exists +hget +hmget +hset
//
// [redis.Client]: https://pkg.go.dev/github.com/redis/go-redis/v9#Client
// [redis.ClusterClient]: https://pkg.go.dev/github.com/redis/go-redis/v9#ClusterClient
// [redis.Ring]: https://pkg.go.dev/github.com/redis/go-redis/v9#Ring
package redis
