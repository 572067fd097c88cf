package rendertest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/render/rendertest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := rendertest.NewServer()
	defer s.Close()
	id := s.AddService(rendertest.Service{Instances: 1})

	client := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler(id).Scale(context.Background(), 3))
	fmt.Println(s.Instances(id), s.Count("POST", "/services/*/scale"))
	// Output:
	// <nil>
	// 3 1
}
