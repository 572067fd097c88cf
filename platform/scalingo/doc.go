// Package scalingo reads and sets how many containers a process type of an app on Scalingo
// has, as the Scaler of an autoscaler.
//
//	client := scalingo.NewClient(os.Getenv("SCALINGO_API_TOKEN"), nil)
//	app, container := scalingo.Self()
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  &probe.HTTP{URL: "https://shop.osc-fr1.scalingo.io/autoscalebot/heartbeat/"},
//		Scaler:  client.Scaler(app, "web"),
//		Elector: leader.SQL(db, &leader.Options{Holder: container}),
//	}).Run(ctx)
//
// Use [leader.SQL] or an elector of contrib/redis. Without a store, you can choose one
// container to act: leader.Static(container == "web-1"). This promises less. No other
// container takes over from it, and during a deployment two of that name may overlap.
//
// # The API token
//
// An API token, such as tk-us-…, acts for a user, for every app that this user has access
// to. Create a user only for automation, and invite it as a collaborator to the app. The
// token is exchanged for a bearer token, which is valid for one hour. That is kept in
// memory and renewed in time, and once more if the API refuses it.
//
// Neither token ever appears in an error, in the log, or in a formatted value of this
// package. If the API is one of Scalingo's, the API token is sent only to
// https://auth.scalingo.com. Otherwise it is sent only to [platform.Options.BaseURL].
// Redirects are not followed, and plain HTTP is refused.
//
// # What it costs
//
// A Scaler reads the container types and the containers once a tick, which is 240 calls an
// hour at the default interval of 30 seconds. It reads Scalingo's own autoscalers every
// minute, which is another 60 calls. An order is one call, and another before it to read
// the size. It is not a deployment. The token is exchanged once an hour. That call is not
// counted in [platform.Options.CallsPerHour].
//
// # Scalingo's own autoscaler
//
// While an autoscaler of Scalingo is on for the process type, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler leaves the size to it. Switch
// it off:
//
//	scalingo --app shop autoscalers-disable web
//
// # Queue time
//
// Scalingo's router sends X-Request-Start, in the form t=1693406590.527. Package traffic
// reads it.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package scalingo
