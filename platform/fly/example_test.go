package fly_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
)

// A size counts the machines of one process group that are started.
func ExampleNewClient() {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web"})
	s.Add(flytest.Machine{Group: "web", State: "stopped"})

	client := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	web := client.Scaler(flytest.App, "web")
	for range 2 {
		c, err := web.Capacity(context.Background())
		fmt.Println(c.Desired, err, web.Scale(context.Background(), 2))
	}
	// Output:
	// 1 <nil> <nil>
	// 2 <nil> <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := fly.NewClient("", &platform.Options{TokenName: "FLY_API_TOKEN"}).Scaler("Shop", "web")
	fmt.Println(scaler.Validate())
	// Output:
	// FLY_API_TOKEN is empty: make one for the app alone with `fly tokens create deploy --app NAME`
	// the app "Shop" is not a name of an app on Fly, which has lower-case letters, digits and dashes
}
