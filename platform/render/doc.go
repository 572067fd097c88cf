// Package render reads and sets how many instances a service on Render has, as the Scaler
// of an autoscaler.
//
//	client := render.NewClient(os.Getenv("RENDER_API_KEY"), nil)
//	service, instance := render.Self()
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  &probe.HTTP{URL: os.Getenv("RENDER_EXTERNAL_URL") + "/autoscalebot/heartbeat/"},
//		Scaler:  client.Scaler(service),
//		Elector: leader.SQL(db, &leader.Options{Holder: instance}),
//	}).Run(ctx)
//
// It can scale web services, private services and background workers. Render does not
// number their instances, so an elector needs a store. Use [leader.SQL], or an elector of
// contrib/redis.
//
// # The API key
//
// An API key acts for a user, in every workspace of that user. Render has no keys with
// fewer rights. Create a user only for automation, and let it join only the workspace of
// the service.
//
// The key never appears in an error, in the log, or in a formatted value of this package.
// It is sent only to [platform.Options.BaseURL]: redirects are not followed, and plain
// HTTP is refused.
//
// # What it costs
//
// A Scaler reads the service once a tick, which is 120 calls an hour at the default
// interval of 30 seconds. An order is one call, and another to read the service once more.
// For five minutes after an increase, one more call a tick counts the instances. Render
// adds or removes instances at once, and an order is not a deployment.
//
// # Render's own autoscaling
//
// While Render's own autoscaling is on, Render ignores every size that is ordered.
// Capacity then names it as [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler
// leaves the size to it. Switch it off on the service's Scaling page, and remove "scaling"
// from render.yaml.
//
// # Bounds
//
// Render runs 1 to 100 instances of a service, 1 of a service with a disk, and 1 on the
// free instance type. For a greater size, Scale sends no order and returns an
// [autoscale.LimitError]. A size of 0 is an error: suspend the service instead.
//
// # Queue time
//
// Render's router sends X-Request-Start. Package traffic reads it in microseconds and in
// nanoseconds.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package render
