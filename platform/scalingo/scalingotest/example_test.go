package scalingotest_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

// A program that scales is tested against the fake.
func ExampleNewServer() {
	s := scalingotest.NewServer()
	defer s.Close()
	s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 1}})

	client := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.Scaler("shop", "web").Scale(context.Background(), 3))
	fmt.Println(s.Amount("shop", "web"), s.Count("POST", "/v1/apps/shop/scale"))
	// Output:
	// <nil>
	// 3 1
}
