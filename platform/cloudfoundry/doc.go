// Package cloudfoundry reads and sets how many instances a process of an app on Cloud
// Foundry has, as the Scaler of an autoscaler. It speaks to version 3 of the Cloud
// Controller's API.
//
//	self := cloudfoundry.Self()
//	client := cloudfoundry.NewClient(cloudfoundry.Credentials{
//		ClientID:     os.Getenv("CF_CLIENT_ID"),
//		ClientSecret: os.Getenv("CF_CLIENT_SECRET"),
//	}, &platform.Options{BaseURL: self.API})
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  &probe.HTTP{URL: "https://shop.apps.example.com/autoscalebot/heartbeat/"},
//		Scaler:  client.Scaler(self.App, self.Process),
//		Elector: leader.Index("CF_INSTANCE_INDEX", 0),
//	}).Run(ctx)
//
// Cloud Foundry numbers the instances of a process from 0, and ends those with the highest
// numbers first. So [leader.Index] works without a store, and instance 0 is the last to be
// ended. It promises less than [leader.SQL]: during a rolling deployment, two instances
// have the number 0.
//
// # Credentials
//
// The lowest role that may scale is Space Supporter, in the space of the app. A service
// should best use a client of UAA with client credentials. See [Credentials] for the other
// grants.
//
//	uaac client add autoscale --authorized_grant_types client_credentials \
//	  --authorities cloud_controller.read,cloud_controller.write --secret ...
//	cf set-space-role autoscale my-org my-space SpaceSupporter --client
//
// The credentials are exchanged for an access token. It is kept in memory and renewed in
// time, and once more if the API refuses it. Neither the credentials nor the token ever
// appear in an error, in the log, or in a formatted value of this package. The credentials
// are sent to Credentials.UAAURL, or to the UAA that the API names. The access token is
// sent to [platform.Options.BaseURL]. Redirects are not followed, and plain HTTP is
// refused.
//
// # What it costs
//
// A Scaler makes two calls a tick: for the size, and for the state of each instance. For
// the process web there is a third, for deployments. That is 360 calls an hour at the
// default interval of 30 seconds. An order is one call, and another before it to read the
// size. It is not a deployment.
//
// # Deployments
//
// During a rolling or canary deployment, Cloud Foundry does not scale the process web.
// Capacity.Deploying is then true, and Scale returns an [autoscale.BusyError].
//
// # App Autoscaler
//
// If App Autoscaler has a policy for the app, two autoscalers would undo each other's work.
// If Credentials.AutoscalerURL is set, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler leaves the size to it.
// Reading the policy needs the role Space Developer. To remove the policy, run "cf
// detach-autoscaling-policy APP".
//
// # Queue time
//
// Cloud Foundry's Gorouter sends X-Request-Start in milliseconds, which package traffic
// reads. If the request already has this header, from a proxy in front or from a client,
// the Gorouter does not change it.
//
// [leader.Index]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#Index
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package cloudfoundry
