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
// the name consists of the name of the application and the Name of the Config, as in
// "quiet-river/web". So the Autoscalers of several process types and applications can use
// one database. If two Autoscalers of one process have the same lease, Run of the second
// one returns an error.
//
// The row says which process leads, in which term, and when the lease expires. Only the
// clock of the store decides whether it has expired, so the clocks of the processes do
// not matter. A leader renews well before that. Followers read the row, and try to take
// the lease only when it has expired, in one atomic statement. Every new leader has a
// greater term, and the row is never deleted, so terms only grow.
//
// Somebody may drop the table, or restore an older copy of it. A process that remembers a
// greater term then waits for a TTL, until the last leader no longer trusts itself. But a
// process that has just started remembers nothing, and takes the lease at once. So do not
// start processes during that time.
//
// The leader itself trusts a renewal for the TTL minus a margin, by its own monotonic
// clock, counted from when it began to ask for the renewal. This trust ends before the
// lease does. So a process that is cut off, or was frozen, stops calling itself the
// leader before another one starts. That holds as long as its clock does not run slower
// than the store's by more than Margin in TTL, which is one sixth by default.
//
// The lease also works if the store's clock is set back. If a follower has seen no
// renewal of a lease for its whole TTL, the lease is free, whatever the clock says.
//
// # What it cannot promise
//
// A process may be frozen between its last look at [Elector.Current] and the arrival of
// its order at the platform. Only a condition that the platform checks could close this
// gap. The Autoscaler keeps it small. Before each order it saves under its term, which
// the store checks by its own clock. The deadline of the order is the end of its trust.
// It orders absolute sizes, which the true leader corrects a tick later.
//
// On some systems CLOCK_MONOTONIC, which Go reads, stops while a machine is suspended. A
// process that wakes up then trusts itself too long. The same check by the store's clock
// stops it.
//
// A store that fails over to an older copy may forget the last renewals. A process that
// does not remember the last term may then lead while the old leader still trusts itself,
// for at most the TTL. A leader that learns of this steps down, and the next term is
// above every term that the processes remember.
//
// While the store cannot be reached, nobody leads once the trust of the last leader has
// ended. The service then keeps its size.
//
// # Cost
//
// A process makes one round trip every [Options.Renew], ten seconds by default. The
// leader makes one more for each Save and Command. A leader that saves twice a minute and
// a hundred followers together used at most half a percent of one processor of a
// PostgreSQL 15 (BenchmarkLeaderFollowers in internal/servertest). Part of that is a
// ping, which pgx sends on a connection that was idle for a second. Current takes ten
// nanoseconds more than reading the machine's clock.
//
// # A server that is not trusted
//
// pgx allocates as much memory as the server announces, by default up to a gibibyte for
// one message. If you do not trust the server or the network, set a bound:
//
//	config, err := pgx.ParseConfig(url)
//	config.MaxProtocolMessageBodyLen = 1 << 20 // bytes; a row here has at most 66 KiB
//	Elector: leader.Open("pgx", stdlib.RegisterConnConfig(config), nil)
//
// The same field works for a pool that stdlib.OpenDB(*config) opened and that is passed
// to [SQL]. The bound must then also fit the rows of the service itself.
package leader
