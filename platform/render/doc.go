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
// Web services, private services and background workers can be scaled. Render does not
// number their instances, so that an elector needs a store: use [leader.SQL], or an
// elector of contrib/redis.
//
// # The API key
//
// An API key acts for a user, in every workspace of that user. Render has no narrower
// keys. Make a user for automation alone, and let it join that workspace alone.
//
// The key is in no error, in no log, and in no formatted value of this package. It is sent
// to [platform.Options.BaseURL] alone: redirects are not followed, and plain HTTP is
// refused.
//
// # What it costs
//
// A Scaler reads the service once a tick, which is 120 calls an hour at the default
// interval of 30 seconds. An order reads the service once more and is one call. For five
// minutes after an increase, the instances are counted too, with one call a tick.
// Render adds or removes instances at once: an order is no deployment.
//
// # Render's own autoscaling
//
// While Render's own autoscaling is on, Render ignores every size that is ordered.
// Capacity then names it as [autoscale.Capacity.ExternalAutoscaler], and the size is left
// to it. Switch it off on the service's Scaling page, and remove "scaling" from
// render.yaml.
//
// # Bounds
//
// Render runs 1 to 100 instances of a service, 1 of a service with a disk, and 1 on the
// free instance type. A greater size is an [autoscale.LimitError], and is not sent. A size
// of 0 is an error: suspend the service instead.
//
// # Queue time
//
// Render's router sends X-Request-Start. Package traffic reads it in microseconds and in
// nanoseconds.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package render
