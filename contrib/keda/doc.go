// Package keda answers KEDA's external scaler protocol, so that KEDA runs the size that an
// [autoscale.Autoscaler] publishes. Use it if KEDA should set the size. If the Autoscaler
// should order the size itself, use contrib/kubernetes instead.
//
//	s := grpc.NewServer()
//	keda.New(a, nil).Register(s)
//	go s.Serve(listener)
//
// Set RecommendOnly in the Config. The Autoscaler then orders nothing, and does not yield
// to KEDA.
//
// # Which process answers
//
// If the Elector of the Autoscaler is also an [autoscale.Store], every pod gives the same
// answer, whichever of them leads. A pod that does not lead answers with what the leader
// saved. Without a Store, the pods that do not lead answer with codes.Unavailable.
//
// # What it answers
//
// There is one metric, [MetricName], with the target 1. Its value is the size to run, a
// whole number of 0 or more, sent as the float and as the int of the protocol. The trigger
// is active if the value is above 0. The metricType of the trigger must be AverageValue,
// its default, because an HPA multiplies a Value by the present size. KEDA does not pass
// the metricType to a scaler, so it cannot be checked here.
//
// The metadata of the trigger can name the process type, with the key "name". If there are
// several Autoscalers, it must. These are the codes of errors:
//
//	Unavailable         the size is not known, or the last tick is too old; see [Options]
//	NotFound            no Autoscaler has that name
//	InvalidArgument     the name is empty or missing, the only key is not KEDA's, or the metric is another
//	ResourceExhausted   more streams than Options.Streams
//	FailedPrecondition  what Validate reports
//	Internal            the Source panicked
//
// If the size is not known, the answer is an error, and never 0. KEDA and the HPA then
// hold the size, unless the ScaledObject has a fallback.
//
// # Security
//
// Anyone who can reach the port can read the size and the names of the process types, but
// cannot change anything. To answer only KEDA, give the grpc.Server [credentials.NewTLS]
// with a certificate and [tls.RequireAndVerifyClientCert]. README.md has both sides.
//
// [credentials.NewTLS]: https://pkg.go.dev/google.golang.org/grpc/credentials#NewTLS
// [tls.RequireAndVerifyClientCert]: https://pkg.go.dev/crypto/tls#ClientAuthType
package keda
