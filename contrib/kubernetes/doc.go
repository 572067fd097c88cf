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
// rest.Config uses [FromConfig]. The credentials are those that kubectl and client-go
// know: the token of a service account, which is read again as it is renewed, client
// certificates, and the plugins of cloud providers.
//
// # Rights
//
// The folder deploy has a ServiceAccount, a Role, a RoleBinding and a Deployment, for a
// Scaler and an [Elector], whose rights its documentation lists. A test holds the Role
// against the requests of this package: each right is used, and none lacks.
// For the size it is:
//
//	deployments                [get]     resourceNames: [web]
//	deployments/scale          [update]  resourceNames: [web]
//	horizontalpodautoscalers   [list]    to see another autoscaler
//	scaledobjects              [list]    to see KEDA; not needed without it
//	pods                       [list]    to see that nodes lack; optional
//
// A target of a kind without a short name needs [get, update] of its scale subresource, and
// no get of the object. With [autoscale.Config.RecommendOnly] the first line is enough.
//
// If a right lacks, [Error] names it, and [Error.Role] returns the Role and the RoleBinding
// to apply.
//
// # Other autoscalers
//
// Two autoscalers on one object undo each other's work. [Scaler.Capacity] reports a
// HorizontalPodAutoscaler, KEDA and Knative, and an [autoscale.Autoscaler] then
// leaves the size to it. To keep KEDA or a HorizontalPodAutoscaler as the one that orders,
// set [autoscale.Config.RecommendOnly], which publishes the size to them.
//
// A HorizontalPodAutoscaler counts as long as it exists, also if its metrics fail: it then
// still keeps the size within its bounds. At a size of 0 it does nothing. KEDA counts at 0
// too, and if an annotation pauses it at a size. If the annotation autoscaling.keda.sh/paused
// alone pauses it, KEDA does nothing, and does not count. A VerticalPodAutoscaler changes
// what pods request and not how many there are, so it does not count.
//
// # Manifests that set the size
//
// A manifest that has spec.replicas sets the size back each time it is applied: by kubectl
// apply, Helm, Argo CD or Flux. The Autoscaler reports the event Changed ("somebody else changed
// the size from 6 to 2"), and must raise the size again. [Scaler.LastManager] names the
// program. Leave spec.replicas out of the manifest:
//
//   - kubectl apply: before the first apply without it, remove it from what kubectl remembers,
//     with `kubectl apply edit-last-applied deployment/web`. Otherwise that apply removes the
//     field, and the API server sets its default of 1.
//   - kubectl apply --server-side: with spec.replicas, it fails with a conflict once this package
//     has ordered a size, and names the manager [FieldManager]. --force-conflicts would set the
//     size back. Without spec.replicas, it leaves the size alone. Only if nothing but the
//     applier has ever set it, the first apply without it sets 1.
//   - Helm: leave it out of the template, as charts do if autoscaling is enabled.
//   - Argo CD: leave it out, or add to the Application ignoreDifferences with the
//     jsonPointers [/spec/replicas] and the sync option RespectIgnoreDifferences=true.
//   - Flux: leave it out. Its kustomize-controller applies server-side.
//
// # Stopping pods
//
// A pod that is to be removed gets SIGTERM. At the same time, and not before, the proxies of the
// cluster are told to send it nothing more. Requests arrive for some seconds. So let the pod
// sleep for five seconds in a preStop hook, then end with [net/http.Server.Shutdown], and set
// terminationGracePeriodSeconds to more than both take. End the context of Run last: the
// Elector then releases its lease, and the next leader need not wait for it to expire.
//
// [Client.ProtectLeader] has the leader's pod stopped last.
//
// # No room for pods
//
// The API server takes any size. Whether there is room shows later, in pods that are missing
// or pending. [Scaler.Scale] says how that becomes a limit.
//
// # Traffic of all pods
//
// A rule that counts requests needs those of all pods. They publish them on a board, which
// the leader reads: [leader.MetricsBoard] in PostgreSQL or MySQL, or that of package
// contrib/redis. Without a database, [Client.PodBoard] has the leader ask the pods by HTTP.
//
// There is no board in Lease annotations. Each pod would write an object of the API every
// few seconds, and each write goes to the disks of all etcd members, and to everybody who
// watches Leases. A node renews its own Lease once in ten seconds, so a board would be as
// much load as that many nodes.
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
// every 25 seconds for all Scalers of a Client. A request is tried three times at most,
// after a network fault, a 429 or a 5xx, within the time of its context. client-go by
// itself would send 5 requests per second and queue the rest in silence; [Options.QPS] is
// 50, and a request for which no time is left fails and says so.
//
// # Weight
//
// The package uses client-go for credentials and connections alone, and has its own JSON. A
// program that does nothing else links 26 modules besides this one and autoscale, and has
// 10.7 MB (15.4 MB with symbols), on linux/amd64 with Go 1.26.8. With generated clients of
// client-go it would be 46 modules. The go.mod requires client-go v0.35, the last one that
// supports Go 1.25; newer ones work too.
package kubernetes
