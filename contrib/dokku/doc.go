// Package dokku reads and sets how many processes of a type an app on Dokku runs, as the
// Scaler of an autoscaler. It gives the commands of Dokku over SSH.
//
//	client := dokku.NewClient("dokku.example.com", privateKey, "ssh-ed25519 AAAA…", nil)
//
//	err := autoscale.New(autoscale.Config{
//		Prober: &probe.HTTP{URL: "https://shop.example.com/autoscalebot/heartbeat/"},
//		Scaler: client.Scaler("shop", "web"),
//	}).Run(ctx)
//
// # Each order is a deployment
//
// Dokku replaces all processes of the type when its number changes, with its zero-downtime
// checks, which takes minutes. The default cooldowns are therefore ten minutes each way, and
// Scale returns before the deployment has ended. Run the autoscaler in another app, or in
// another process type of the same app: a deployment must not replace the process that
// ordered it. One process of it is enough, so use leader.Static(true) or no Elector.
//
// # The key
//
// Make a key that is only for automation, and add it with "dokku ssh-keys:add". Dokku
// gives each key access to all apps. The plugin dokku-acl narrows that. The server's key
// is pinned: give the line that "ssh-keyscan -t ed25519 dokku.example.com" prints,
// without the host.
//
// # app.json
//
// If app.json sets a formation's quantity, Dokku refuses orders. Remove the quantity. The
// scheduler k3s has a KEDA of its own, which this package does not see.
//
// # Queue time
//
// Dokku's nginx sends X-Request-Start in seconds with milliseconds, which package traffic
// reads.
package dokku
