package render_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/render/rendertest"
)

// One client, one budget, many scalers.
func ExampleNewClient() {
	s := rendertest.NewServer()
	defer s.Close()
	web := s.AddService(rendertest.Service{Instances: 2})
	worker := s.AddService(rendertest.Service{Type: "background_worker", Instances: 1})

	client := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, id := range []string{web, worker} {
		c, err := client.Scaler(id).Capacity(context.Background())
		fmt.Println(id, c.Desired, err)
	}
	// Output:
	// srv-rendertest0001 2 <nil>
	// srv-rendertest0002 1 <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := render.NewClient("", &platform.Options{TokenName: "RENDER_API_KEY"}).Scaler("shop")
	fmt.Println(scaler.Validate())
	// Output:
	// RENDER_API_KEY is empty: make one in the Render Dashboard, under Account Settings, API Keys
	// the service "shop" is not an id, as srv-cph1rs3idesc73a2b2mg: the service's page in the Render Dashboard has it in its address, and Render has it in RENDER_SERVICE_ID
}

// A size that Render does not permit says what it permits.
func ExampleScaler_Scale() {
	s := rendertest.NewServer()
	defer s.Close()
	id := s.AddService(rendertest.Service{Instances: 1, Disk: true})
	client := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler(id).Scale(context.Background(), 3)
	var limit *autoscale.LimitError
	if errors.As(err, &limit) {
		fmt.Println("ordered", limit.Size, "permitted", limit.Limit)
		fmt.Println(limit.Err)
	}
	// Output:
	// ordered 3 permitted 1
	// render: a service with a disk has one instance: detach the disk, or leave Max at 1
}
