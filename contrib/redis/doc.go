// Package redis keeps the lease of package leader in Redis 5 or later, or in Valkey. So
// only one of the processes that run the same autoscaler acts.
//
//	Elector: redis.New(client, nil), // the go-redis client that the service has anyway
//
// If the service also has a PostgreSQL database, prefer [leader.SQL], which promises
// more.
//
// [Backlog] measures job queues in Redis, such as those of Celery, Sidekiq, asynq and
// BullMQ. [MetricsBoard] is where the processes of a service publish their reports.
//
// # The lease
//
// Each name has one key, "autoscale:lease:" and the name, which holds a hash. The default
// name is that of package leader. Because a lease is one key, it also works in Redis
// Cluster. Each operation is one Lua script, which is atomic, and one round trip. After a
// restart, the server has forgotten its scripts, and the first operation takes two round
// trips.
//
// The hash never expires. One of its fields says when the lease expires. A script sets and
// compares that by the server's clock. If the key expired, the term and the leader's state
// would be lost too. Of the eviction policies for a full memory, noeviction is safe for a
// lease, and so are the volatile-* policies, which spare keys without an expiry. The
// allkeys-* policies are not safe.
//
// The number of a term is the server's clock when the term began, in microseconds since
// 1970. It is at least one more than the greatest term that the key or the process knows.
//
// # Why it is weaker than SQL
//
// PostgreSQL writes to disk before it confirms, and forgets that only in a failover to a
// copy that is behind. Redis confirms first:
//
//   - It replicates later. A replica that is promoted may not know the lease, or its last
//     renewals. Processes that still reach the old primary can go on renewing there. Two
//     processes then lead, one on each server, for as long as each reaches its own server.
//     The server's settings min-replicas-to-write and min-replicas-max-lag end this: a
//     primary that has lost its replicas then takes no renewals.
//   - It writes to disk later, by default after up to a second (appendfsync everysec), or
//     never. After a restart the server may have forgotten the lease. A process that
//     remembers the lease waits for a TTL. A process that has just started leads at once,
//     although the old leader may still trust itself, for at most the TTL. The state and
//     the command are lost with the lease: a pause is over, and a notice may be sent
//     again.
//
// Terms are numbered by the clock to keep them apart. A server that has forgotten
// everything goes on above all earlier terms, and two servers do not issue the same term,
// except within the same microsecond. There are two limits. If the clock of the server
// that has forgotten is behind the other's, its terms are lower, unless the processes
// remember greater ones. And a greater term does not stop the other leader, because
// neither Redis nor Heroku compares the two.
//
// Other rules bound the harm. A leader that cannot renew stops trusting itself before its
// lease expires, by its own clock. Once the old primary is gone or is a replica, one
// process leads. A size is ordered as an absolute number, within the bounds, and the
// present size is read from the platform in the same tick. So two leaders order what
// either would have ordered alone, and never the sum. The next tick corrects the rest.
// Cooldowns also count from the platform's own record of the last change.
//
// # The client
//
// Use a [redis.Client], with or without Sentinel, or a [redis.ClusterClient]. A
// [redis.Ring] is refused, because it moves a name to another server if one is down. The
// package does not close the client. A call ends when its context does. Set the client's
// option ContextTimeoutEnabled. Without it, a connection is given up only after the
// ReadTimeout.
//
// The user needs only these rights:
//
//	ACL SETUSER autoscale on >… ~autoscale:lease:* +eval +evalsha +time +exists +hget +hmget +hset
//
// [redis.Client]: https://pkg.go.dev/github.com/redis/go-redis/v9#Client
// [redis.ClusterClient]: https://pkg.go.dev/github.com/redis/go-redis/v9#ClusterClient
// [redis.Ring]: https://pkg.go.dev/github.com/redis/go-redis/v9#Ring
package redis
