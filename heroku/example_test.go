package heroku_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/probe"
)

// A whole program: three slow answers in a row, and the app gets another dyno.
// On Heroku, the token comes from the environment, there are no Options, and the
// prober is an probe.HTTP whose Base is client.WebURL("quiet-river").
func Example() {
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
	})
	client := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: platform.URL})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := autoscale.New(autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalLatency, Latency: 2 * time.Second}, nil
		}),
		Scaler:   client.Scaler("quiet-river", "web"),
		Interval: 10 * time.Millisecond,
		Observe: func(e autoscale.Event) {
			if e.Kind == autoscale.Scaled {
				fmt.Println("from", e.From, "to", e.To)
				cancel()
			}
		},
	}).Run(ctx)
	fmt.Println(err)
	// Output:
	// from 1 to 2
	// <nil>
}

// One client, one budget, many scalers.
func ExampleNewClient() {
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 2}, {Type: "worker", Quantity: 1}},
	})

	client := heroku.NewClient(herokutest.Token, &heroku.Options{
		BaseURL:      platform.URL,
		CallsPerHour: 3000, // nobody else needs more than the rest
	})
	defer client.CloseIdleConnections()
	for _, typ := range []string{"web", "worker"} {
		c, err := client.Scaler("quiet-river", typ).Capacity(context.Background())
		fmt.Println(typ, c.Desired, c.Pending, err)
	}
	// Output:
	// web 2 0 <nil>
	// worker 1 0 <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	scaler := heroku.NewClient("", &heroku.Options{TokenName: "HEROKU_API_KEY"}).Scaler("Quiet River", "web")
	fmt.Println(scaler.Validate())
	// Output:
	// HEROKU_API_KEY is empty: make one with `heroku authorizations:create --scope write`
	// the app "Quiet River" is neither a name (3 to 30 lower-case letters, digits and dashes) nor an id (a UUID): `heroku apps` lists the names
}

// A refusal above a dyno limit says what is permitted.
func ExampleScaler_Scale() {
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1, Size: "Basic"}},
	})
	client := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: platform.URL})
	defer client.CloseIdleConnections()

	err := client.Scaler("quiet-river", "web").Scale(context.Background(), 3)
	var limit *autoscale.LimitError
	if errors.As(err, &limit) {
		fmt.Println("ordered", limit.Size, "permitted", limit.Limit)
	}
	var refusal *heroku.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code, refusal.Message)
	}
	// Output:
	// ordered 3 permitted 1
	// 422 invalid_params Cannot update to more than 1 Basic size dynos per process type.
}

// The name of an app does not say its URL, so Heroku is asked.
func ExampleClient_WebURL() {
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{Name: "quiet-river", WebURL: "https://quiet-river-5f3c2a1b.herokuapp.com/"})
	client := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: platform.URL})
	defer client.CloseIdleConnections()

	prober := &probe.HTTP{URL: "/autoscalebot/heartbeat/", Base: client.WebURL("quiet-river")}
	fmt.Println(prober.Base(context.Background()))
	// Output: https://quiet-river-5f3c2a1b.herokuapp.com/ <nil>
}
