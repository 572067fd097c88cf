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
// Use [leader.SQL] or an elector of contrib/redis. Without a store, one container can be
// told to act: leader.Static(container == "web-1"). It promises less: nobody takes over
// from that container, and two of that name may overlap during a deployment.
//
// # The API token
//
// An API token, as tk-us-…, acts for a user, for every app that this user may reach.
// Make a user for automation alone, and invite it as a collaborator to the app. The token
// is exchanged for a bearer token of one hour, which is kept in memory, is renewed in time,
// and is renewed once more if the API refuses it.
//
// Neither token is in an error, in a log, or in a formatted value of this package. The API
// token is sent to https://auth.scalingo.com alone if the API is one of Scalingo's, and else
// to [platform.Options.BaseURL]. Redirects are not followed, and plain HTTP is refused.
//
// # What it costs
//
// A Scaler reads the container types and the containers once a tick, which is 240 calls an
// hour at the default interval of 30 seconds, and Scalingo's own autoscalers every minute,
// for another 60. An
// order is one call, and one more to read the size before. It is not a deployment. An
// exchange of the token is one call an hour, which is not counted in
// [platform.Options.CallsPerHour].
//
// # Scalingo's own autoscaler
//
// While an autoscaler of Scalingo is on for the process type, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the size is left to it. Switch it off:
//
//	scalingo --app shop autoscalers-disable web
//
// # Queue time
//
// Scalingo's router sends X-Request-Start, as t=1693406590.527. Package traffic reads it.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package scalingo
