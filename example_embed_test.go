package autoscale_test

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/traffic"
)

// The whole of it, in the main function of a web service. The program imports the
// database driver that leader.Open names.
func Example_webService() {
	var ctx context.Context // ends when the service is to stop
	var mux *http.ServeMux  // the service

	t := traffic.New(&traffic.Options{Concurrency: 8}) // how many requests a process works on at once
	hk := heroku.NewClient(os.Getenv("HEROKU_API_KEY"), &heroku.Options{TokenName: "HEROKU_API_KEY"})

	go autoscale.New(autoscale.Config{
		Prober:    t, // and so the rule is target tracking
		Scaler:    hk.Scaler(os.Getenv("HEROKU_APP_NAME"), "web"),
		Elector:   leader.Open("pgx", os.Getenv("DATABASE_URL"), nil), // a connection of its own
		Interval:  10 * time.Second,
		Max:       autoscale.Daily(time.Local, map[string]int{"0:00": 3, "9:00": 10, "18:00": 3}),
		Notifiers: []autoscale.Notifier{notify.Slack(os.Getenv("SLACK_WEBHOOK_URL"))},
	}).Run(ctx)

	http.ListenAndServe(":8080", t.Handler(mux)) // it counts the requests that pass through
}
