package cloudruntest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/cloudrun/cloudruntest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 1})

	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler(cloudruntest.Project, cloudruntest.Region, "web").Scale(context.Background(), 3))
	fmt.Println(s.Size("web"))
	// Output:
	// <nil>
	// 3
}
