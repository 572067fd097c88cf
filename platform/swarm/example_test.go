package swarm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
	"github.com/autoscalebot/autoscale/platform/swarm/swarmtest"
)

// One client, one budget, many scalers. On a manager the options are nil.
func ExampleNewClient() {
	s := swarmtest.NewServer()
	defer s.Close()
	s.AddService(swarmtest.Service{Name: "shop_web", Replicas: 2})
	s.AddService(swarmtest.Service{Name: "shop_worker", Replicas: 1})

	client := swarm.NewClient("", &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, name := range []string{"shop_web", "shop_worker"} {
		c, err := client.Scaler(name).Capacity(context.Background())
		fmt.Println(name, c.Desired, c.Pending, err)
	}
	// Output:
	// shop_web 2 0 <nil>
	// shop_worker 1 0 <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := swarm.NewClient("", &platform.Options{BaseURL: "tcp://manager.example.com:2375"}).Scaler("shop web")
	fmt.Println(scaler.Validate())
	// Output:
	// Options.BaseURL is tcp://manager.example.com:2375, which is not TLS, and whoever can read or reach it commands the swarm: use TLS with a client certificate in DOCKER_CERT_PATH, or a unix socket
	// the service "shop web" is not a name of 1 to 63 letters, digits, dashes and underscores: `docker service ls` lists the names
}

// An order during an update is for later.
func ExampleScaler_Scale() {
	s := swarmtest.NewServer()
	defer s.Close()
	s.AddService(swarmtest.Service{Name: "shop_web", Replicas: 1})
	s.SetUpdate("shop_web", "updating")
	client := swarm.NewClient("", &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler("shop_web").Scale(context.Background(), 3)
	var busy *autoscale.BusyError
	if errors.As(err, &busy) {
		fmt.Println("in", busy.RetryAfter)
		fmt.Println(busy.Err)
	}
	// Output:
	// in 10s
	// swarm: scale to 3: service shop_web: an update is under way: an order would restart it, and change what a rollback returns to
}

// What somebody who runs the service should know.
func ExampleScaler_Notes() {
	s := swarmtest.NewServer()
	defer s.Close()
	s.AddService(swarmtest.Service{Name: "shop_web", Replicas: 1, Labels: map[string]string{"com.docker.stack.namespace": "shop"}})
	client := swarm.NewClient("", &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	scaler := client.Scaler("shop_web")
	_, err := scaler.Capacity(context.Background())
	fmt.Println(scaler.Notes(), err)
	// Output:
	// [the service is of the stack shop: each `docker stack deploy` sets the stack file's replicas, or 1 if it has none] <nil>
}
