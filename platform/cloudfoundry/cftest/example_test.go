package cftest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := cftest.NewServer()
	defer s.Close()
	app := s.AddApp(cftest.App{Processes: map[string]int{"web": 1}})

	client := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler(app, "web").Scale(context.Background(), 3))
	fmt.Println(s.Instances(app, "web"), s.Count("POST", "/v3/apps/*/processes/web/actions/scale"))
	// Output:
	// <nil>
	// 3 1
}
