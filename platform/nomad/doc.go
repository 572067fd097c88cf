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
// It can scale the groups of jobs of type service. Nomad numbers the allocations of a group
// from 0, and stops those with the highest numbers first. So [leader.Index] works without a
// store, and the leader is the last to be stopped. It promises less than [leader.SQL]:
// while a deployment replaces allocations, two may have the number 0.
//
// # The token
//
// In a task, the client finds Nomad's Task API, at a Unix socket. This API needs a token
// even if ACLs are off. Give the task the block identity { env = true }, and Nomad sets
// NOMAD_TOKEN. An ACL token works too. It needs only the capabilities read-job and
// scale-job in the job's namespace.
//
// The token never appears in an error, in the log, or in a formatted value of this package.
// It is sent only to [platform.Options.BaseURL]: redirects are not followed, and plain HTTP
// is refused, except to this machine. To use your own CA or a client certificate, set
// [platform.Options.Transport].
//
// # Each order is a deployment, which replaces nothing
//
// An order gives the job a new version, and begins a deployment. Allocations that run are
// not replaced. The deployment ends when all allocations are healthy. Until then Nomad
// takes no order for any group of the job: Capacity.Deploying is true, and Scale returns an
// [autoscale.BusyError].
//
// # What it costs
//
// A Scaler makes two calls a tick: for the size, and for the latest deployment. That is 240
// calls an hour at the default interval of 30 seconds. It reads the job again when the job
// has changed. An order is one call, and one or two more before it to read the size.
//
// # Nomad Autoscaler
//
// While the group's scaling block has a policy and is enabled, or Nomad Autoscaler has
// given an order in the last half hour, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler leaves the size to it.
//
// # Bounds
//
// Scale returns an [autoscale.LimitError] for a size above the max of the group's scaling
// block, above job_max_count of the servers, or above what nodes and quotas have room for.
//
// # Queue time
//
// Nomad has no router of its own, and the routers that are used with it send the time of
// arrival only if they are configured to. With nginx, write: proxy_set_header
// X-Request-Start "t=${msec}". Package traffic reads that.
//
// [leader.Index]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#Index
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package nomad
