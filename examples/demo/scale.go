package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/status"
	"github.com/autoscalebot/autoscale/traffic"
)

// scaling is the autoscaler of one dyno. Every dyno has one, and one of them leads.
type scaling struct {
	shared     *traffic.Shared
	autoscaler *autoscale.Autoscaler
	page       *status.Page
	reports    *reporter
}

// newScaling is the part that a program of your own has, too. See the example
// webservice for the rest of one.
func newScaling(s script, dyno, api string, db *sql.DB, reports *reporter) *scaling {
	quiet := slog.New(slog.DiscardHandler) // the view shows it all
	hk := heroku.NewClient(herokutest.Token, &heroku.Options{
		BaseURL: api,
		// The demo looks at its service thirty times as often as the default.
		CallsPerHour: 30 * heroku.DefaultCallsPerHour,
	})
	shared := &traffic.Shared{
		Traffic:      traffic.New(&traffic.Options{Concurrency: workers, Window: s.window}),
		MetricsBoard: leader.MetricsBoard(db, &leader.Options{App: appName}),
		Member:       dyno,
		Interval:     time.Second,
		Logger:       quiet,
	}
	cfg := autoscale.Config{
		Name:   processType,
		Prober: shared,
		// By default the load of three minutes counts, which are more than a run has.
		Decider: rule.TargetTracking{Concurrency: workers, Target: target, Decay: -1},
		Scaler:  hk.Scaler(appName, processType),
		Elector: leader.SQL(db, &leader.Options{App: appName, Holder: dyno, TTL: leaseTime, Logger: quiet}),
		Min:     autoscale.Fixed(s.min),
		Max:     autoscale.Fixed(s.max),
		Limits:  limit.Limits{Down: limit.Behavior{Stabilization: s.stabilization, Step: 1}},

		Interval:  s.interval,
		Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(reports.notify)},
		NotifyOn:  autoscale.DefaultKinds | autoscale.Scaled,
		Observe:   reports.observe,
		Logger:    quiet,
	}
	if s.heartbeat {
		cfg.Prober = &probe.HTTP{URL: heartbeatPath, Base: hk.WebURL(appName), Timeout: s.slow}
		cfg.Decider = autoscale.Consecutive{Low: s.low, High: s.high, UpAfter: 3, DownAfter: 7}
		cfg.Limits = limit.Limits{}
	}
	a := autoscale.New(cfg)
	page := status.Handler(a, &status.Options{Public: true, Control: true, Title: appName, Logger: quiet})
	return &scaling{shared, a, page, reports}
}

const (
	// target is the share of the dynos' capacity to have in use.
	target = rule.DefaultTarget

	// leaseTime is after how long another dyno leads if the leader dies.
	leaseTime = 3 * time.Second
)

// pagePath is where the status page is.
const pagePath = "/autoscale/"

// handler returns a handler that counts the requests that it passes on to next, and
// serves the status page, which does not count as load. Everybody on this machine may use the page.
func (sc *scaling) handler(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pagePath, sc.page)
	mux.Handle("/", sc.shared.Traffic.Handler(next))
	return mux
}

// run scales the service, and reports the status while this dyno leads, until ctx ends.
func (sc *scaling) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { _ = sc.shared.Run(ctx) })
	running.Go(func() { _ = sc.autoscaler.Run(ctx) })
	frames := time.NewTicker(frameTime)
	defer frames.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-frames.C:
		}
		if s := sc.autoscaler.Status(); s.Leading {
			sc.reports.write(message{Status: &standing{
				Leader: sc.shared.Member, Text: s.String(), Desired: s.Capacity.Desired, Acted: s.Last.Decision.Act,
			}})
		}
	}
}

// A message is what a dyno writes to its standard output, as a line of JSON.
type message struct {
	Event    *observed           `json:"event,omitempty"`
	Notified autoscale.EventKind `json:"notified,omitempty"`
	Status   *standing           `json:"status,omitempty"`
}

// A standing is what can be seen of the autoscaler that leads.
type standing struct {
	Leader  string // its dyno. Empty: nothing is known yet
	Text    string
	Desired int // how many dynos it wants
	Acted   bool
}

// observed is what can be seen of an event.
type observed struct {
	Kind     autoscale.EventKind
	Text     string
	From, To int
	Reason   string
	Latency  time.Duration // of the heartbeat
	Failure  autoscale.Failure
	InFlight float64 // requests, in all dynos
}

// A reporter writes what an autoscaler does as messages.
type reporter struct {
	mu  sync.Mutex
	out *json.Encoder
}

func newReporter(w io.Writer) *reporter { return &reporter{out: json.NewEncoder(w)} }

// write ignores errors: if nobody reads any more, the dyno is about to end.
func (r *reporter) write(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(m)
}

func (r *reporter) notify(_ context.Context, e autoscale.Event) error {
	r.write(message{Notified: e.Kind})
	return nil
}

func (r *reporter) observe(e autoscale.Event) {
	if e.Kind == autoscale.Decided || e.Phase == autoscale.Ongoing {
		return
	}
	r.write(message{Event: &observed{
		Kind: e.Kind, Text: e.String(), From: e.From, To: e.To, Reason: e.Decision.Reason.String(),
		Latency: e.Sample.Latency, Failure: e.Sample.Failure, InFlight: e.Sample.Busy,
	}})
}
