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
// Fly does not number its machines, so an elector needs a store. Use [leader.SQL], or an
// elector of contrib/redis.
//
// # The size
//
// On Fly, one cannot order a number of machines. The size is how many machines of the group
// are started. To reach a size, an order starts stopped machines, creates clones if there
// are not enough, or stops machines. It never destroys a machine: a stopped one costs only
// its root file system, and starts within seconds. The group never has more machines than
// the greatest size that was ordered, or than it had before. There is one exception: for
// each machine that could not be started when it was needed, another one was created.
//
// A machine that exits, fails or is destroyed is no longer counted, so the autoscaler
// orders another. A machine whose host does not answer, or whose state this package does
// not know, counts as it did before.
//
// The package does not touch standbys, scheduled machines and machines that destroy
// themselves.
//
// # Creating
//
// An order creates at most as many machines as are missing, and ends with the first
// refusal. A new machine gets the first free name of autoscale-GROUP-1 and so on, so an
// order whose answer was lost does not create a second machine. A created machine counts
// for two minutes, even if it is not in Fly's list yet.
//
// After a created machine was lost, the next ones are created one at a time, until one has
// served for a minute. If three machines that were created within ten minutes are gone, no
// more are created until those are forgotten. No machine is created while three created
// ones have failed and still exist.
//
// # The time of an order
//
// Machines are started, cordoned and stopped eight at a time. A call that hangs takes at
// most a third of the time that is left, so the rest of the order can still be carried out.
//
// # The token
//
// A deploy token is for one app. It never appears in an error, in the log, or in a
// formatted value of this package. It is sent only to [platform.Options.BaseURL]: redirects
// are not followed, and plain HTTP is refused except at _api.internal and on the loopback
// interface. Requests to _api.internal do not use a proxy.
//
// # Fly Proxy's own
//
// Fly Proxy's autostop and autostart stop and start machines too. While a service of the
// group has either, Capacity names it as [autoscale.Capacity.ExternalAutoscaler], and the
// Autoscaler leaves the size to it. Switch both off in fly.toml, and deploy.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package fly
