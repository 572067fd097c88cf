package nomadtest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 1}}})

	client := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler(nomad.Group{Job: "shop", Name: "web"}).Scale(context.Background(), 3))
	fmt.Println(s.Count("default", "shop", "web"), s.Orders("shop"))
	// Output:
	// <nil>
	// 3 1
}
