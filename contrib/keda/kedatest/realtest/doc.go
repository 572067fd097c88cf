// Package realtest proves that KEDA, and a HorizontalPodAutoscaler without it, run the size
// that an Autoscaler recommends: with KEDA's operator and metrics adapter, kube-apiserver,
// the HPA's controller, and Prometheus. The manifests are those of contrib/keda/deploy. The
// tests are skipped where the programs are not built: see contrib/keda/README.md.
package realtest
