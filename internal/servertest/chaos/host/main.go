//go:build linux

// Command host is a web service with an autoscaler in it, as a user would write it,
// except that the test can make it misbehave, and that it writes down what it does.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	kuberest "k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

var (
	database = flag.String("database", "", "`URL` of the PostgreSQL database that keeps the lease")
	cluster  = flag.String("cluster", "", "`URL` of the Kubernetes API server that keeps it, if there is no database")
	token    = flag.String("token", "", "`token` for the API server")
	api      = flag.String("api", "", "`URL` of the Platform API")
	load     = flag.String("load", "", "`URL` that says how many processes are needed")
	record   = flag.String("journal", "", "`file` to append to")
	smallest = flag.Int("min", 2, "the fewest `processes`")
	largest  = flag.Int("max", 8, "the most `processes`")
	interval = flag.Duration("interval", 200*time.Millisecond, "`time` between ticks")
	ttl      = flag.Duration("ttl", time.Second, "how `long` a lease lasts")
	renew    = flag.Duration("renew", 280*time.Millisecond, "how `often` it is renewed")
	margin   = flag.Duration("margin", 250*time.Millisecond, "by how `much` trust ends before it does")
	rest     = flag.Duration("rest", 3*time.Second, "how `long` at most a leader that resigned rests")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	host := fmt.Sprintf("%s#%d", os.Getenv("DYNO"), os.Getpid())
	j, err := journal.Open(*record, host)
	if err != nil {
		return err
	}
	lease, err := openLease()
	if err != nil {
		return err
	}
	e := &elector{Elector: lease, journal: j, rest: *rest}
	t := &trap{journal: j}
	t.at.Store("")
	client := heroku.NewClient(herokutest.Token, &heroku.Options{
		BaseURL: *api, CallsPerHour: 10_000_000, AttemptTimeout: 300 * time.Millisecond,
		Transport: newPlatform(host, e, t),
	})
	a := autoscale.New(autoscale.Config{
		Prober:   autoscale.ProberFunc(needed),
		Decider:  exactly{},
		Scaler:   &scaler{client.Scaler("quiet-river", "web"), e, t},
		Min:      autoscale.Fixed(*smallest),
		Max:      autoscale.Fixed(*largest),
		Interval: *interval,
		Timeout:  *ttl / 2,
		Elector:  e,
		NotifyOn: autoscale.AllKinds &^ (autoscale.Probed | autoscale.Decided | autoscale.ProbeFailed | autoscale.ScaleFailed | autoscale.LeaderChanged),
		Observe: func(ev autoscale.Event) {
			if ev.Kind == autoscale.Decided {
				j.Add(journal.Line{
					What: journal.Ticked, Tick: j.At(ev.Time), From: ev.From, To: ev.To,
					Need: int(ev.Sample.Value), Limit: ev.Limit.String(),
				})
			}
		},
		Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(func(_ context.Context, ev autoscale.Event) error {
			j.Add(journal.Line{
				What: journal.Told, Tick: j.At(ev.Time), Kind: ev.Kind.String(), Phase: ev.Phase.String(),
				From: ev.From, To: ev.To, Detail: ev.Detail,
			})
			return nil
		})},
	})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: traffic.New(nil).Handler(routes(a, t)), ReadHeaderTimeout: 5 * time.Second}
	go s.Serve(l)
	defer s.Close()
	j.Add(journal.Line{What: journal.Started})
	fmt.Println(l.Addr()) // for the test, which waits for it

	watching, cancel := context.WithCancel(context.Background())
	defer cancel()
	go e.watch(watching)
	err = a.Run(ctx)
	e.Current() // the journal is to know that it ended
	if e.gaveUp.Load() {
		return nil // which the journal has
	}
	return err
}

// openLease returns the elector under trial.
func openLease() (Elector, error) {
	o := leader.Options{TTL: *ttl, Renew: *renew, Margin: *margin}
	if *cluster == "" {
		db, err := sql.Open("pgx", *database)
		if err != nil {
			return nil, err
		}
		return leader.SQL(db, &o), nil
	}
	o.App = "quiet-river"
	config := &kuberest.Config{Host: *cluster, BearerToken: *token}
	config.Insecure = strings.HasPrefix(*cluster, "https:") // its certificate is for another name
	return kubernetes.FromConfig(config, &kubernetes.Options{QPS: 1000}).Elector(&o), nil
}

// routes is the web service: its page, and what the test tells it.
func routes(a *autoscale.Autoscaler, t *trap) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	tell := func(pattern string, f func(r *http.Request) error) {
		mux.HandleFunc("POST "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(r); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		})
	}
	tell("/pause", func(r *http.Request) error { return a.Pause(r.Context()) })
	tell("/resume", func(r *http.Request) error { return a.Resume(r.Context()) })
	tell("/trap", func(r *http.Request) error { t.at.Store(r.FormValue("at")); return nil })
	tell("/clock", func(r *http.Request) error {
		seconds, err := strconv.ParseInt(r.FormValue("seconds"), 10, 64)
		if err != nil {
			return err
		}
		return stepClock(seconds)
	})
	return mux
}

// needed asks the test how many processes it takes.
func needed(ctx context.Context) (autoscale.Sample, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *load, nil)
	if err != nil {
		return autoscale.Sample{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return autoscale.Sample{}, err
	}
	defer res.Body.Close()
	var n int
	if err := json.NewDecoder(res.Body).Decode(&n); err != nil {
		return autoscale.Sample{}, err
	}
	if n <= 0 {
		return autoscale.Sample{}, errors.New("the test needs no processes")
	}
	return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalValue, Value: float64(n)}, nil
}

// exactly recommends as many processes as are needed.
type exactly struct{}

func (exactly) Samples() int { return 1 }

func (exactly) Decide(o autoscale.Observation) autoscale.Decision {
	n := int(o.Samples[len(o.Samples)-1].Value)
	return autoscale.Decision{Act: n != o.Capacity.Desired, Size: n, Reason: autoscale.Reason{Detail: autoscale.ReasonText(fmt.Sprintf("%d are needed", n))}}
}
