package swarmtest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
	"github.com/autoscalebot/autoscale/platform/swarm/swarmtest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := swarmtest.NewServer()
	defer s.Close()
	s.AddService(swarmtest.Service{Name: "web", Replicas: 1})

	client := swarm.NewClient("", &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler("web").Scale(context.Background(), 3))
	fmt.Println(s.Replicas("web"), s.Count("POST", "/services/web/update"))
	// Output:
	// <nil>
	// 3 1
}
