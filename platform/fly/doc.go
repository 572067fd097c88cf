// Package fly starts and stops machines of a process group on Fly.io, and creates them, as
// the Scaler of an autoscaler.
//
//	client := fly.NewClient(os.Getenv("FLY_API_TOKEN"), nil)
//	app, group, machine := fly.Self()
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  requests, // a *traffic.Traffic around the handler
//		Scaler:  client.Scaler(app, group),
//		Elector: leader.SQL(db, &leader.Options{Holder: machine}),
//	}).Run(ctx)
//
// Fly does not number its machines, so that an elector needs a store: use [leader.SQL], or
// an elector of contrib/redis.
//
// # The size
//
// Fly has no number of machines to order. The size is how many machines of the group are
// started, and an order makes it so: it starts stopped machines, creates clones when there
// are not enough, and stops machines. It destroys none: a stopped machine costs its root
// file system alone, and starts within seconds. The group never has more machines than the
// greatest size that was ordered, or than it had before, beside those that could not be
// started when they were needed: another one was created in the place of each. A machine
// that exits, fails or is destroyed is no longer counted, so that the autoscaler orders it
// again. One whose host does not answer, or whose state is not known to this package, counts
// as it did before.
//
// Standbys, scheduled machines and machines that destroy themselves are left alone.
//
// # Creating
//
// An order creates at most as many machines as are missing, and ends with the first refusal.
// Names are autoscale-GROUP-1 and so on, the first that is free, so that an order whose
// answer was lost creates no second machine. A machine that was created counts for two
// minutes, even if no list of Fly's has it yet.
//
// After a created machine was lost, one is created at a time, until it has served for a
// minute. If three machines that were created within ten minutes are gone, none is created
// until they are forgotten. None is created while three that were created have failed and
// are still there.
//
// # The time of an order
//
// Machines are started, cordoned and stopped eight at a time. A call that hangs takes at most
// a third of the time that is left, so that the rest of the order is carried out.
//
// # The token
//
// A deploy token is for one app. It is in no error, in no log, and in no formatted value of
// this package. It is sent to [platform.Options.BaseURL] alone: redirects are not followed,
// and plain HTTP is refused except at _api.internal and on the loopback interface. Requests
// to _api.internal go to no proxy.
//
// # Fly Proxy's own
//
// Fly Proxy's autostop and autostart stop and start machines too. While a service of the
// group has either, Capacity names it as [autoscale.Capacity.ExternalAutoscaler], and the
// size is left to it. Switch both off in fly.toml, and deploy.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package fly
