package nomad_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
)

// One client, one budget, many scalers.
func ExampleNewClient() {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 2}, "worker": {Count: 1}}})

	client := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, name := range []string{"web", "worker"} {
		c, err := client.Scaler(nomad.Group{Job: "shop", Name: name}).Capacity(context.Background())
		fmt.Println(name, c.Desired, err)
	}
	// Output:
	// web 2 <nil>
	// worker 1 <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	client := nomad.NewClient("", &platform.Options{BaseURL: "unix://secrets/api.sock"})
	fmt.Println(client.Scaler(nomad.Group{Job: "my shop", Name: "web"}).Validate())
	// Output:
	// Options.BaseURL is not the address of a Unix socket: give one as unix:///secrets/api.sock
	// the job "my shop" is not the id of one, as shop: `nomad job status` lists them
}

// A size above what the job's scaling block permits says what it permits.
func ExampleScaler_Scale() {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 2, Scaling: &nomadtest.Scaling{Min: 1, Max: 5}}}})
	client := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler(nomad.Group{Job: "shop", Name: "web"}).Scale(context.Background(), 9)
	var limit *autoscale.LimitError
	if errors.As(err, &limit) {
		fmt.Println("ordered", limit.Size, "permitted", limit.Limit)
		fmt.Println(limit.Err)
	}
	// Output:
	// ordered 9 permitted 5
	// nomad: scale to 9: group "web" of job "shop": 400 Bad Request: group count was greater than scaling policy maximum: 9 > 5: lower Max, or raise the max of the group's scaling block
}
