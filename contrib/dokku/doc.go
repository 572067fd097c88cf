// Package dokku reads and sets how many processes of a type an app on Dokku runs, as the
// Scaler of an autoscaler. It runs Dokku's commands over SSH.
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
// When the number of processes of a type changes, Dokku replaces all of them, with its
// zero-downtime checks. That takes minutes. So the default cooldowns are ten minutes each
// way, and Scale returns before the deployment has ended. Run the autoscaler in another
// app, or in another process type of the same app, because a deployment must not replace
// the process that ordered it. One process is enough for that, so use leader.Static(true)
// or no Elector.
//
// # The key
//
// Create a key only for automation, and add it with "dokku ssh-keys:add". Dokku gives
// each key access to all apps. The plugin dokku-acl can restrict that. The server's key
// is pinned: pass the line that "ssh-keyscan -t ed25519 dokku.example.com" prints,
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
