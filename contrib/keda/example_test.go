package keda_test

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda"
	"google.golang.org/grpc"
)

func ExampleNew() {
	a := autoscale.New(autoscale.Config{
		RecommendOnly: true,
		Prober:        autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return autoscale.Sample{}, nil }),
		Scaler:        readOnly{}, // such as that of contrib/kubernetes
	})
	server := grpc.NewServer() // with grpc.Creds for TLS
	sizes := keda.New(a, &keda.Options{StaleAfter: 2 * time.Minute})
	sizes.Register(server)
	// go server.Serve(listener), and at the end:
	_ = sizes.Close()
	server.GracefulStop()

	for name, info := range server.GetServiceInfo() {
		fmt.Println(name, len(info.Methods))
	}
	fmt.Println(sizes.Validate())
	// Output:
	// externalscaler.ExternalScaler 4
	// <nil>
}

type readOnly struct{}

func (readOnly) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 1}, nil
}

func (readOnly) Scale(context.Context, int) error { return nil }
