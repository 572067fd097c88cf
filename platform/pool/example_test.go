package pool_test

import (
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/pool"
	"github.com/autoscalebot/autoscale/traffic"
)

// A program of any language, scaled on this machine by the requests that it gets.
func Example() {
	p := pool.New(pool.Options{Command: []string{"./web", "--quiet"}, Max: 8})
	t := traffic.New(&traffic.Options{Concurrency: 4})
	a := autoscale.New(autoscale.Config{Prober: pool.Prober(t), Scaler: p, Max: autoscale.Fixed(8)})
	// go p.Run(ctx)
	// go a.Run(ctx)
	// http.ListenAndServe(":8080", t.Handler(p))
	fmt.Println(a.Validate())
	// Output: <nil>
}

func ExampleNew() {
	p := pool.New(pool.Options{Command: []string{"./web"}})
	fmt.Println(p, p.Validate())
	// Output: pool.Pool(web, at most 16) <nil>
}

func ExampleNewClient() {
	c := pool.NewClient("secret-token", &platform.Options{BaseURL: "http://127.0.0.1:4711"})
	fmt.Println(c, c.Scaler().Validate())
	// Output: pool.Client(http://127.0.0.1:4711) <nil>
}

// In a process of a Pool the environment says where to order.
func ExampleFromEnv() {
	s := pool.FromEnv(nil).Scaler()
	fmt.Println(s)
	// Output: pool.Scaler()
}

func ExampleProber() {
	t := traffic.New(&traffic.Options{Concurrency: 4})
	fmt.Printf("%T\n", pool.Prober(t).(autoscale.RuleChooser).Rule())
	// Output: rule.TargetTracking
}
