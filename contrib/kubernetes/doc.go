// Package kubernetes sets the size of a Deployment, or of anything else that has a scale
// subresource, as the Scaler of an autoscaler. Its [Elector] lets one of many pods act.
//
//	client := kubernetes.InCluster(nil)
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  prober,
//		Scaler:  client.Scaler("deployment/web", nil),
//		Elector: client.Elector(&leader.Options{App: "shop"}),
//	}).Run(ctx)
//
// Outside a cluster, make the client with [FromKubeconfig]. A program that has a
// rest.Config uses [FromConfig]. The package supports the credentials that kubectl and
// client-go support: the token of a service account, which is read again when it is
// renewed, client certificates, and the plugins of cloud providers.
//
// # Rights
//
// The folder deploy has a ServiceAccount, a Role, a RoleBinding and a Deployment, for a
// Scaler and an [Elector]. The documentation of Elector lists the rights that it needs. A
// test compares the Role with the requests of this package: each right is used, and none
// is missing. A Scaler needs these:
//
//	deployments                [get]     resourceNames: [web]
//	deployments/scale          [update]  resourceNames: [web]
//	horizontalpodautoscalers   [list]    to see another autoscaler
//	scaledobjects              [list]    to see KEDA; not needed without it
//	pods                       [list]    to see that there are too few nodes; optional
//
// A target of a kind without a short name needs [get, update] of its scale subresource,
// and no get of the object. With [autoscale.Config.RecommendOnly] the first line is
// enough.
//
// If a right is missing, [Error] names it, and [Error.Role] returns the Role and the
// RoleBinding to apply.
//
// # Other autoscalers
//
// Two autoscalers on one object undo each other's work. [Scaler.Capacity] reports a
// HorizontalPodAutoscaler, KEDA and Knative, and an [autoscale.Autoscaler] then
// leaves the size to it. To let KEDA or a HorizontalPodAutoscaler order the size, set
// [autoscale.Config.RecommendOnly], which publishes the size to them.
//
// A HorizontalPodAutoscaler counts as long as it exists. If its metrics fail, it still
// keeps the size within its bounds. At a size of 0 it does nothing, and does not count.
// KEDA counts at 0 too, and while an annotation pauses it at a size. If only the
// annotation autoscaling.keda.sh/paused pauses it, KEDA does nothing, and does not count.
// A VerticalPodAutoscaler changes what pods request and not how many there are, so it
// does not count.
//
// # Manifests that set the size
//
// A manifest with spec.replicas resets the size each time that kubectl apply, Helm, Argo
// CD or Flux applies it. The Autoscaler reports the event Changed ("somebody else changed
// the size from 6 to 2"), and must raise the size again. [Scaler.LastManager] names the
// program. Leave spec.replicas out of the manifest:
//
//   - kubectl apply: before the first apply without the field, remove it from the last
//     applied configuration with `kubectl apply edit-last-applied deployment/web`.
//     Otherwise that apply removes the field, and the API server sets its default of 1.
//   - kubectl apply --server-side: with spec.replicas, it fails with a conflict once this
//     package has ordered a size, and names the manager [FieldManager]. --force-conflicts
//     would reset the size. Without spec.replicas, it leaves the size alone. But if only
//     the applier has ever set the field, the first apply without it sets 1.
//   - Helm: leave it out of the template, as charts do if autoscaling is enabled.
//   - Argo CD: leave it out, or add to the Application ignoreDifferences with the
//     jsonPointers [/spec/replicas] and the sync option RespectIgnoreDifferences=true.
//   - Flux: leave it out. Its kustomize-controller applies server-side.
//
// # Stopping pods
//
// Kubernetes sends SIGTERM to a pod that is to be removed. Only at that moment does it
// also notify the proxies of the cluster, so requests still arrive for some seconds. So
// let the pod sleep for five seconds in a preStop hook, then end with
// [net/http.Server.Shutdown], and set terminationGracePeriodSeconds to more than both
// take. End the context of Run last: the Elector then releases its lease, and the next
// leader need not wait for it to expire.
//
// [Client.ProtectLeader] makes Kubernetes stop the leader's pod last.
//
// # No room for pods
//
// The API server accepts any size. A lack of room shows only later, in pods that are
// missing or pending. The documentation of [Scaler.Scale] says how that becomes a limit.
//
// # Traffic of all pods
//
// A rule that counts requests needs the requests of all pods. The pods publish their
// counts on a board, which the leader reads. The board is [leader.MetricsBoard] in
// PostgreSQL, or the one of contrib/redis. Without a database, use [Client.PodBoard],
// with which the leader asks the pods by HTTP.
//
// There is no board in Lease annotations, because each pod would write an object of the
// API every few seconds. Each write goes to the disks of all etcd members, and to every
// program that watches Leases. A node renews its own Lease once in ten seconds, so a
// board would cause as much load as that many nodes.
//
// # Many targets
//
// A [Fleet] scales all Deployments or StatefulSets with a label, from a few workers that
// share them. It watches them instead of reading each in each tick.
//
// # Requests
//
// One Scaler sends one request in each tick, and one for each order. The
// HorizontalPodAutoscalers of a namespace, and KEDA's ScaledObjects, are listed at most
// every 25 seconds for all Scalers of a Client. A request is tried at most three times,
// after a network fault, a 429 or a 5xx, within the time of its context. client-go by
// default sends 5 requests per second and queues the rest silently. Here [Options.QPS] is
// 50 by default, and a request that finds no time fails with an error that says so.
//
// # Weight
//
// The package uses client-go only for credentials and connections, and has its own JSON.
// A program that does nothing else links 26 modules besides this one and autoscale. On
// linux/amd64 with Go 1.26.8 it has 10.7 MB, or 15.4 MB with symbols. With the generated
// clients of client-go it would link 46 modules. The go.mod requires client-go v0.35, the
// last release that supports Go 1.25. Newer ones work too.
package kubernetes
