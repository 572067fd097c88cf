package cloudfoundry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
)

// One client, one access token, many scalers.
func ExampleNewClient() {
	s := cftest.NewServer()
	defer s.Close()
	app := s.AddApp(cftest.App{Processes: map[string]int{"web": 2, "worker": 1}})

	client := cloudfoundry.NewClient(cloudfoundry.Credentials{
		ClientID: cftest.ClientID, ClientSecret: cftest.ClientSecret,
	}, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	for _, process := range []string{"web", "worker"} {
		c, err := client.Scaler(app, process).Capacity(context.Background())
		fmt.Println(process, c.Desired, c.Pending, err)
	}
	fmt.Println(s.Count("POST", "/oauth/token"), "token")
	// Output:
	// web 2 0 <nil>
	// worker 1 0 <nil>
	// 1 token
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := cloudfoundry.NewClient(cloudfoundry.Credentials{ClientID: "autoscale"}, &platform.Options{
		BaseURL: "https://api.sys.example.com", TokenName: "CF_CLIENT_ID and CF_CLIENT_SECRET",
	}).Scaler("shop", "web")
	fmt.Println(scaler.Validate())
	// Output:
	// CF_CLIENT_ID and CF_CLIENT_SECRET: ClientID or ClientSecret is empty: give both
	// the app "shop" is not a GUID: `cf app NAME --guid` prints it, and VCAP_APPLICATION has it as application_id
}

// An order during a rolling deployment is for later.
func ExampleScaler_Scale() {
	s := cftest.NewServer()
	defer s.Close()
	app := s.AddApp(cftest.App{Processes: map[string]int{"web": 1}, Deploying: true})
	client := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler(app, "web").Scale(context.Background(), 3)
	var busy *autoscale.BusyError
	var refusal *platform.Error
	if errors.As(err, &busy) && errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code)
		fmt.Println(refusal.Message)
	}
	// Output:
	// 422 CF-UnprocessableEntity
	// Cannot scale this process while a deployment is in flight.
}
