// Package kubernetes scales a Deployment, or anything else that has a scale subresource,
// as the Scaler of an autoscaler.
//
//	client := kubernetes.InCluster(nil)
//
//	err := autoscale.New(autoscale.Config{
//		Prober: prober,
//		Scaler: client.Scaler("deployment/web", nil),
//	}).Run(ctx)
package kubernetes
