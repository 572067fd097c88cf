// Package realtest proves that KEDA runs the size that an Autoscaler recommends, and that a
// HorizontalPodAutoscaler without KEDA does so too. It uses KEDA's operator and metrics
// adapter, kube-apiserver, the HPA's controller, Prometheus, and the manifests in
// contrib/keda/deploy. If the programs are not built, the tests are skipped: see
// contrib/keda/README.md.
package realtest
