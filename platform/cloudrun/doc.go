// Package cloudrun reads and sets how many instances a service or a worker pool has on
// Google Cloud Run, as the Scaler of an autoscaler.
//
//	client := cloudrun.NewClient(nil, nil) // on Google Cloud: the service account of the instance
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  requests, // a *traffic.Shared, for instance
//		Scaler:  client.Scaler("my-project", "europe-west1", "web"),
//		Elector: leader.SQL(db, nil),
//	}).Run(ctx)
//
// Cloud Run does not number the instances of a service, so an elector needs a store. Use
// [leader.SQL], or an elector of contrib/redis. Cloud Run chooses which instance it stops.
// If that is the leader, another instance takes over.
//
// # Manual scaling
//
// The size of a service can be set if its scaling mode is manual. In automatic mode, which
// is the default, Cloud Run decides itself. Capacity then names it as
// [autoscale.Capacity.ExternalAutoscaler], the Autoscaler leaves the size to it, and Scale
// returns an error. Switch to manual once, with
//
//	gcloud run services update web --region europe-west1 --scaling 3
//
// or with [Scaler.SwitchToManual]. Nothing else in this package changes the mode. A worker
// pool has no automatic mode.
//
// The instances must have CPU even while they serve no request, or the autoscaler does not
// run. So billing must be instance-based ("gcloud run services update
// --no-cpu-throttling").
//
// # The token
//
// [MetadataToken] asks the metadata server for a token of the service account. If you use
// Google's libraries, pass a function that calls oauth2.TokenSource.Token: see [TokenFunc].
// The service account needs run.services.get and run.services.update on the service, or
// run.workerpools.get and run.workerpools.update on the worker pool, and may need
// iam.serviceAccounts.actAs on the service account that the service runs as.
//
// The token never appears in an error, in the log, or in a formatted value of this package.
// It is sent only to [platform.Options.BaseURL]: redirects are not followed, and plain HTTP
// is refused.
//
// # What it costs
//
// A Scaler reads the service once a tick, which is 120 calls an hour at the default
// interval of 30 seconds. An order is one call, and another to read the service once more.
// It does not make a new revision and is not a deployment. If somebody else changes the
// service between the two calls, the order is refused. The next tick sends it again.
//
// Cloud Run also bills manually scaled instances while they are idle.
//
// # Queue time
//
// Cloud Run sends no header that says when a request arrived. Use the latency, the
// utilization or the busy count of package traffic.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package cloudrun
