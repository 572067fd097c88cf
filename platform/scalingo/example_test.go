package scalingo_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

// One client, one bearer token, many scalers.
func ExampleNewClient() {
	s := scalingotest.NewServer()
	defer s.Close()
	s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 2, "worker": 1}})

	client := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, typ := range []string{"web", "worker"} {
		c, err := client.Scaler("shop", typ).Capacity(context.Background())
		fmt.Println(typ, c.Desired, c.Pending, err)
	}
	fmt.Println(s.Count("POST", "/v1/tokens/exchange"), "exchange")
	// Output:
	// web 2 0 <nil>
	// worker 1 0 <nil>
	// 1 exchange
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := scalingo.NewClient("", &platform.Options{TokenName: "SCALINGO_API_TOKEN"}).Scaler("My Shop", "web")
	fmt.Println(scaler.Validate())
	// Output:
	// SCALINGO_API_TOKEN is empty: make one at https://dashboard.scalingo.com/account/tokens
	// the app "My Shop" is not a name of lower-case letters, digits and dashes: `scalingo apps` lists the names
}

// An order during another operation is for later.
func ExampleScaler_Scale() {
	s := scalingotest.NewServer()
	defer s.Close()
	s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 1}, Busy: true})
	client := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler("shop", "web").Scale(context.Background(), 3)
	var busy *autoscale.BusyError
	fmt.Println(errors.As(err, &busy))
	var refusal *platform.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal)
	}
	// Output:
	// true
	// scalingo: scale to 3: web of app shop: 409 Conflict: an operation is already in progress for this app: this ends by itself: the size stays as it is until then
}
