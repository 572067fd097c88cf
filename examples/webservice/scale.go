package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/traffic"
)

// configure makes the autoscaler's configuration from the environment. The error
// says what to set.
func configure(getenv func(string) string, t *traffic.Traffic) (autoscale.Config, error) {
	key, app := getenv("HEROKU_API_KEY"), getenv("HEROKU_APP_NAME")
	if key == "" || app == "" {
		return autoscale.Config{}, fmt.Errorf("this service does not scale itself: " +
			"set HEROKU_API_KEY and HEROKU_APP_NAME, and DRY_RUN=1 to see what it would do")
	}
	hk := heroku.NewClient(key, &heroku.Options{TokenName: "HEROKU_API_KEY", BaseURL: getenv("HEROKU_API_URL")})

	cfg := autoscale.Config{
		Prober:   t, // and so the rule is target tracking
		Scaler:   hk.Scaler(app, "web"),
		Interval: 10 * time.Second,
		Min:      autoscale.Fixed(1),
		Max:      autoscale.Fixed(5),
		Elector:  elector(getenv("DATABASE_URL"), getenv("DYNO")),
		DryRun:   getenv("DRY_RUN") != "",
	}
	switch by := getenv("SCALE_BY"); by {
	case "", "traffic":
	case "heartbeat": // for which the rule is M of N
		cfg.Prober, cfg.Interval = heartbeatProber(hk.WebURL(app), getenv("HEARTBEAT_TOKEN")), 5*time.Second
	default:
		return autoscale.Config{}, fmt.Errorf("this service does not scale itself: SCALE_BY is %.20q: it must be traffic or heartbeat", by)
	}
	return cfg, nil
}

// heartbeatProber requests the heartbeat through Heroku's router, as clients request pages.
func heartbeatProber(base func(context.Context) (string, error), token string) autoscale.Prober {
	prober := &probe.HTTP{URL: heartbeatPath, Base: base}
	if token != "" {
		prober.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	return prober
}

// elector lets one dyno act. With a database that all dynos share, that is the one with the
// lease, through a connection of its own. Without one it is web.1, which is the last dyno
// to be stopped. During a restart two processes can be web.1 for half a minute: both then
// order absolute numbers within the same bounds. On other platforms there is one process,
// and no elector.
func elector(databaseURL, dyno string) autoscale.Elector {
	if databaseURL != "" {
		// By itself the driver makes room for a message of up to a gibibyte.
		if config, err := pgx.ParseConfig(databaseURL); err == nil {
			config.MaxProtocolMessageBodyLen = 1 << 20
			databaseURL = stdlib.RegisterConnConfig(config)
		}
		return leader.Open("pgx", databaseURL, nil)
	}
	_, number, numbered := strings.Cut(dyno, ".")
	if !numbered {
		return nil
	}
	return leader.Static(number == "1")
}

// status says in words what the autoscaler does. It shows no secret. Decide for your service
// who may see it.
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
