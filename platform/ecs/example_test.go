package ecs_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/ecs/ecstest"
)

// One client, one budget, many scalers. On ECS the credentials are nil and the options too.
func ExampleNewClient() {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 2})
	s.AddService(ecstest.Service{Cluster: "production", Name: "worker", Desired: 1})

	client := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, service := range []string{"web", "worker"} {
		c, err := client.Scaler("production", service).Capacity(context.Background())
		fmt.Println(service, c.Desired, c.Pending, err)
	}
	// Output:
	// web 2 0 <nil>
	// worker 1 0 <nil>
}

// An order is an absolute number.
func ExampleScaler_Scale() {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 2})

	client := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler("production", "web").Scale(context.Background(), 5))
	fmt.Println(s.Desired("production", "web"))
	// Output:
	// <nil>
	// 5
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	fmt.Println(ecs.NewClient("eu-west-1", nil, nil).Scaler("production", "the web").Validate())
	// Output:
	// the service "the web" is neither a name (letters, digits, dashes and underscores) nor an ARN of a service: `aws ecs list-services --cluster …` lists them
}

// The environment has no credentials here, so they are given.
func ExampleDefaultCredentials() {
	credentials := ecs.DefaultCredentials()
	client := ecs.NewClient("eu-west-1", credentials, nil)
	fmt.Println(client)
	// Output: ecs.Client(https://ecs.eu-west-1.amazonaws.com)
}

// The endpoint of a container is asked over HTTP if it is ECS's, EKS's, or local.
func ExampleContainerCredentials() {
	_, err := ecs.ContainerCredentials("http://example.com/credentials", nil)(context.Background())
	fmt.Println(err)
	// Output: the URL of the container's credentials is http, and is not of the loopback interface, ECS or EKS: check AWS_CONTAINER_CREDENTIALS_FULL_URI
}
