package email_test

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/email"
)

func ExampleNew() {
	n := email.New(email.Config{
		URL:  "smtp://user:password@smtp.example.com:587", // from the environment
		From: "Autoscaler <autoscaler@example.com>",
		To:   []string{"ops@example.com", "Someone <someone@example.com>"},
	})
	cfg := autoscale.Config{
		Notifiers: []autoscale.Notifier{n},
		// Prober, Scaler, …
	}
	fmt.Println(cfg.Notifiers) // without the password
	// Output:
	// [email.New(2 recipients by smtp.example.com:587)]
}

// Each mail shows a picture of the last hour, from the history of the Autoscaler that sends
// it. History is called only while that runs, so it may name a variable that is set later.
func ExampleNew_picture() {
	var a *autoscale.Autoscaler
	n := email.New(email.Config{
		URL:     "smtp://user:password@smtp.example.com:587", // from the environment
		From:    "autoscaler@example.com",
		To:      []string{"ops@example.com"},
		History: func(ctx context.Context) (*history.Log, error) { return a.History(ctx) },
		Page:    "https://www.example.com/autoscale/",
	})
	a = autoscale.New(autoscale.Config{
		Notifiers: []autoscale.Notifier{n},
		// Prober, Scaler, …
	})
	log, err := a.History(context.Background())
	fmt.Println(len(log.Points()), err)
	// Output:
	// 0 <nil>
}

// Notify gives up a server that cannot be reached, or does not answer, when its context
// ends. An Autoscaler gives each notifier ten seconds.
func ExampleNew_unreachable() {
	n := email.New(email.Config{
		URL:  "smtp://127.0.0.1:1", // nobody listens there
		From: "autoscaler@example.com",
		To:   []string{"ops@example.com"},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	fmt.Println(n.Notify(ctx, autoscale.Event{Kind: autoscale.Scaled}) != nil)
	// Output:
	// true
}
