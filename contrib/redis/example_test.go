package redis_test

import (
	"context"
	"fmt"
	"log"
	"os"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/traffic"
)

// The processes of a service share its Redis, and one of them acts. Without the
// Elector, each would.
func Example() {
	options, err := goredis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Print("REDIS_URL is not a URL of a Redis server") // err may repeat its password
		return
	}
	options.ContextTimeoutEnabled = true
	client := goredis.NewClient(options)
	defer client.Close()

	var scaler autoscale.Scaler // of package heroku, say
	err = autoscale.New(autoscale.Config{
		Prober:  &probe.HTTP{URL: "https://quiet-river.example.org/autoscalebot/heartbeat/"},
		Scaler:  scaler,
		Elector: redis.New(client, &leader.Options{Name: "quiet-river/web"}),
	}).Run(context.Background())
	if err != nil {
		log.Print(err)
	}
}

func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	elector := redis.New(client, &leader.Options{Name: "quiet-river/web"})

	fmt.Println(elector.Validate())
	_, leads := elector.Current()
	fmt.Println("leads before it runs:", leads)
	// Output:
	// <nil>
	// leads before it runs: false
}

// A server that several teams share may give each the keys of one prefix.
func ExampleLease() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	elector := leader.New(redis.Lease(client, "team-a:lease:"), &leader.Options{Name: "web"})

	fmt.Println(elector.Validate())
	fmt.Println(leader.New(redis.Lease(nil, "team-a:lease:"), nil).Validate())
	// Output:
	// <nil>
	// redis: the client is nil: make one with NewClient of go-redis and give it
}

// The processes of a service publish what they measured on a board in its Redis. The
// process that leads adds up the reports.
func ExampleMetricsBoard() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	shared := &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: redis.MetricsBoard(client, &leader.Options{Name: "quiet-river/web"})}

	fmt.Println(shared.Validate())
	// Output: <nil>
}

// Workers of Celery are scaled by how many tasks wait for them.
func ExampleBacklog() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	tasks := redis.Backlog{Client: client, Keys: redis.CeleryKeys("celery"), Busy: []string{"unacked"}}
	cfg := autoscale.Config{Name: "worker", Prober: tasks, Decider: rule.Backlog{PerProcess: 10}}

	fmt.Println(tasks.Validate())
	fmt.Println(cfg.Name, "has", len(tasks.Keys), "lists")
	// Output:
	// <nil>
	// worker has 4 lists
}

func ExampleCeleryKeys() {
	fmt.Printf("%q\n", redis.CeleryKeys("celery"))
	// Output: ["celery" "celery\x06\x163" "celery\x06\x166" "celery\x06\x169"]
}
