// Package leader has the electors for [autoscale.Config.Elector]. They let only one of
// the processes that run the same autoscaler act.
//
//	Elector: leader.Open("pgx", os.Getenv("DATABASE_URL"), nil),
//
// [Open] keeps a lease in a table of PostgreSQL or SQLite, through a connection of its
// own. [SQL] does the same on a *sql.DB that the service has anyway. [New] does the same
// with any other store that can be a [Lease]. [Static] and [Dyno] need no store, and
// promise less.
//
// # The lease
//
// There is one row for each name, and thousands of names may share a table. By default
// the name is that of the application and the Name of the Config, as in
// "quiet-river/web", so that the Autoscalers of several process types and applications
// can use one database. Two Autoscalers of one process that have the same lease are an
// error of the second one's Run.
//
// The row says which process leads, in which term, and when the lease expires. Expiry
// is judged by the clock of the store alone, so that the clocks of the processes do not
// matter. A leader renews well before that. Followers read, and try to take the
// lease only when it has expired, in one atomic statement. Every new leader has a
// greater term, and the row is never deleted, so that a term only grows. Somebody else may
// drop the table or restore a copy that is behind. A process that remembers a greater term
// then waits for a TTL, until the last leader trusts itself no more. A process that has just
// started remembers nothing, and takes the lease at once: start none meanwhile.
//
// The leader itself trusts a renewal from the moment at which it began to ask for
// it, for the TTL less a margin, by its own monotonic clock. This ends before the
// lease does: a process that is cut off, or was frozen, stops calling itself the
// leader before another one starts, as long as its clock does not run slower than
// the store's by more than Margin in TTL (one sixth by default).
//
// The row outlives a store's clock that was set back as well: a lease that a
// follower saw unrenewed for its whole TTL is free, whatever the clock says.
//
// # What it cannot promise
//
// A process may be frozen between its last look at [Elector.Current] and the
// arrival of its order at the platform. Nothing but a condition checked by the
// platform could close this. The Autoscaler keeps the gap small: it saves under
// its term, checked by the store's clock, before each order, gives the order the
// end of its trust as a deadline, and orders absolute sizes, which the true leader
// corrects a tick later.
//
// CLOCK_MONOTONIC, which Go reads, stops on some systems while a machine is
// suspended; a process that wakes then trusts itself too long. That check by the
// store's clock stops it as well.
//
// A store that fails over to a copy which is behind may forget the last renewals. A
// process that does not remember the last term may then lead while the old leader still
// trusts itself, for at most the TTL. A leader that learns of it steps down, and the next term is above every
// term that the processes remember.
//
// While the store cannot be reached nobody leads, once the trust of the last
// leader has ended: the service keeps the size that it has.
//
// # Cost
//
// A process makes one round trip in Renew, ten seconds by default, and the leader
// one more for each Save and Command. A leader that saves twice a minute and a
// hundred followers took half a percent of one processor of a PostgreSQL 15, or
// less. A part of that is that pgx pings a connection that was idle for a second
// (BenchmarkLeaderFollowers in internal/servertest). Current takes ten nanoseconds
// more than the machine's clock does.
//
// # A server that is not trusted
//
// pgx makes room for what the server announces, by default for up to a gibibyte in one
// message. If you do not trust the server, or what is between, set a bound:
//
//	config, err := pgx.ParseConfig(url)
//	config.MaxProtocolMessageBodyLen = 1 << 20 // bytes; a row here has at most 66 KiB
//	Elector: leader.Open("pgx", stdlib.RegisterConnConfig(config), nil)
//
// The same field bounds the pool that [SQL] is given, where it was opened by
// stdlib.OpenDB(*config). There the bound must fit the rows of the service as well.
package leader
