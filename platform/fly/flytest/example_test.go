package flytest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web"})

	client := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler(flytest.App, "web").Scale(context.Background(), 2))
	for _, m := range s.Machines() {
		fmt.Println(m.Name, m.State)
	}
	// Output:
	// <nil>
	// aged-wind-1 started
	// autoscale-web-1 started
}
