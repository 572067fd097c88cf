package ecstest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/ecs/ecstest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 1})

	client := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler("production", "web").Scale(context.Background(), 3))
	fmt.Println(s.Desired("production", "web"), s.Calls("UpdateService"))
	// Output:
	// <nil>
	// 3 1
}

// Credentials are those that a Server accepts.
func ExampleCredentials() {
	c, err := ecstest.Credentials(context.Background())
	fmt.Println(c.AccessKeyID, err)
	// Output: AKIAECSTEST0NOT0REAL <nil>
}
