// Package chaos holds the trial of an autoscaler inside a real service: six
// processes of the program in the folder host, one PostgreSQL, one fake Platform
// API, and a script that kills, stops and freezes the processes, cuts them off
// from the database or the platform, restarts the database, takes rights and tables away,
// and steps clocks.
// README.md has the output of an hour of it. From this folder:
//
//	go test .                                                     # twenty seconds
//	go test . -run TestChaos -duration 1h -timeout 70m -v         # an hour
//	go test . -run TestChaos -seed 42 -v                          # the script of that seed
//	go test . -run TestChaos -only 'frozen in flight' -v          # one fault alone
//	go test . -run TestChaosKubernetes -real -duration 10m -v     # the lease in a real Kubernetes
//
// TestChaosKubernetes is the same with the lease in Kubernetes. Its API server is a fake, which
// is stopped and started as the database is, or with -real a kube-apiserver with an etcd. What
// the summary calls the database is the API server then. Its clock is not stepped, because
// the lease does not depend on it.
//
// The seed gives the same script; what the processes make of it is up to them.
// It needs Linux and PostgreSQL, and steps the database's clock where libfaketime
// is installed (faketime of Debian).
//
// Everything that is asserted is read from a record: what each process did and
// until when it trusted itself, by the clock CLOCK_MONOTONIC that the processes of
// a machine share, and what arrived at the platform. Asserted are:
//
//   - terms never overlap, except if the database's clock was set forward, which ends a
//     lease early; these are counted
//   - the client of the platform gives out no order to the network when its process
//     does not trust itself any more, or after a later term began. An order that
//     was given out in time and written or arrived later, as its sender was frozen
//     or the network held it up, is counted
//   - no order is outside the bounds
//   - an elector fails for good only if its process has never led, and what it found
//     was a table that it may not use. The trial starts such a process again, as whoever
//     reads its log would; these are counted
//   - no event is reported twice, whichever process reports it
//   - after each round of faults, the last of which kills the leader, somebody
//     leads within a TTL and a renewal, and then the size is right, each with a
//     minute of slack for a slow machine; how long it took is in the summary. A
//     leader that resigned rests for three seconds at most here, as everything is
//     ten times faster than by default, or more
//   - the service in each process serves its page all the while
//
// The record is kept, and its place printed, when a trial fails.
package chaos
