package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/probe"
)

// configure makes the autoscaler's configuration from the environment. The error
// says what to set.
func configure(getenv func(string) string) (autoscale.Config, error) {
	key, app := getenv("HEROKU_API_KEY"), getenv("HEROKU_APP_NAME")
	if key == "" || app == "" {
		return autoscale.Config{}, fmt.Errorf("this service does not scale itself: " +
			"set HEROKU_API_KEY and HEROKU_APP_NAME, and DRY_RUN=1 to see what it would do")
	}
	hk := heroku.NewClient(key, &heroku.Options{TokenName: "HEROKU_API_KEY", BaseURL: getenv("HEROKU_API_URL")})

	// The heartbeat goes through Heroku's router like everybody's requests.
	prober := &probe.HTTP{URL: heartbeatPath, Base: hk.WebURL(app)}
	if token := getenv("HEARTBEAT_TOKEN"); token != "" {
		prober.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	return autoscale.Config{
		Prober:  prober,
		Scaler:  hk.Scaler(app, "web"),
		Min:     autoscale.Fixed(1),
		Max:     autoscale.Fixed(5),
		Elector: elector(getenv("DYNO")),
		DryRun:  getenv("DRY_RUN") != "",
	}, nil
}

// elector lets web.1 act, which is the last dyno that remains: this service's
// database is a file of each dyno's own, in which no lease can be shared. With
// one that all dynos share it would be leader.SQL(db, nil). Two of the name web.1 can
// run for the half minute of a restart; both then order absolute numbers within
// the same bounds. Where there is no number, there is no elector.
func elector(dyno string) autoscale.Elector {
	_, number, numbered := strings.Cut(dyno, ".")
	if !numbered {
		return nil
	}
	return leader.Static(number == "1")
}

// status says in words what the autoscaler does. It shows no secret; who may see
// it is for the service to decide.
func status(a *autoscale.Autoscaler) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s := a.Status()
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !s.Leading && !s.Ticked.IsZero():
			fmt.Fprintln(w, "another dyno scales this service")
			return
		case s.DryRun:
			fmt.Fprintln(w, "dry run: nothing is ordered")
		}
		fmt.Fprintln(w, s.String())
		for _, e := range s.Events {
			fmt.Fprintln(w, e.Time.Format("15:04:05"), e)
		}
	}
}
