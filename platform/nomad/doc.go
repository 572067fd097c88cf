// Package nomad reads and sets how many allocations a task group of a Nomad job has, as the
// Scaler of an autoscaler.
//
//	client := nomad.NewClient(os.Getenv("NOMAD_TOKEN"), nil)
//	group, _ := nomad.Self()
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  &probe.HTTP{URL: "https://shop.example.com/autoscalebot/heartbeat/"},
//		Scaler:  client.Scaler(group),
//		Elector: leader.Index("NOMAD_ALLOC_INDEX", 0),
//	}).Run(ctx)
//
// The groups of jobs of the type service can be scaled. Nomad numbers the allocations of a
// group from 0, and stops those with the highest numbers first. So [leader.Index] needs no
// store, and the leader is the last to be stopped. It promises less than [leader.SQL]: while
// a deployment replaces allocations, two may have the number 0.
//
// # The token
//
// In a task, the client finds Nomad's Task API, at a Unix socket. It needs a token even
// where ACLs are off: give the task the block identity { env = true }, and Nomad sets
// NOMAD_TOKEN. An ACL token works too. The capabilities read-job and scale-job, in the job's
// namespace, suffice.
//
// The token is in no error, in no log, and in no formatted value of this package. It is sent
// to [platform.Options.BaseURL] alone: redirects are not followed, and plain HTTP is
// refused, except to this machine. For a CA or a client certificate of your own, set
// [platform.Options.Transport].
//
// # Each order is a deployment, which replaces nothing
//
// An order gives the job a new version, and begins a deployment. Running allocations stay.
// The deployment ends when all are healthy. Until then Nomad takes no order for any group of
// the job: Capacity.Deploying says so, and an order is an [autoscale.BusyError].
//
// # What it costs
//
// A Scaler makes two calls a tick: for the size, and for the latest deployment. It reads the
// job when that has changed. That is 240 calls an hour at the default interval of 30
// seconds. An order is one call, and one or two more to read the size before.
//
// # Nomad Autoscaler
//
// While the group's scaling block has a policy and is enabled, or Nomad Autoscaler has given
// an order in the last half hour, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the size is left to it.
//
// # Bounds
//
// A size above the max of the group's scaling block, above job_max_count of the servers, or
// above what nodes and quotas have room for is an [autoscale.LimitError].
//
// # Queue time
//
// Nomad has no router of its own, and those that are used with it send no time of arrival
// unless they are told to. With nginx, write: proxy_set_header X-Request-Start "t=${msec}".
// Package traffic reads that.
//
// [leader.Index]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#Index
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package nomad
