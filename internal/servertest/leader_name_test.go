package servertest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// one is a Scaler of one process.
type one struct{}

func (one) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 1}, nil
}
func (one) Scale(context.Context, int) error { return nil }

// groupOf returns the Autoscalers of web and worker in one process of an application,
// with the default options but for what a test needs.
func groupOf(db *sql.DB, app string) *autoscale.Group {
	var cfgs []autoscale.Config
	for _, name := range []string{"web", "worker"} {
		cfgs = append(cfgs, autoscale.Config{
			Name: name, Scaler: one{}, Interval: 50 * time.Millisecond, Logger: quiet,
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 500 * time.Millisecond}, nil
			}),
			Elector: leader.SQL(db, &leader.Options{App: app, TTL: 20 * time.Second, Renew: leaderRenew, Logger: quiet}),
		})
	}
	return autoscale.NewGroup(cfgs...)
}

// Two applications of two process types each share a database. All four act, and a
// pause of one pauses no other.
func TestGroupsShareADatabase(t *testing.T) {
	for name, s := range map[string]struct{ driver, dsn string }{
		"postgres": {"pgx", servers.Postgres(t)},
		"sqlite":   {"sqlite", sqliteFile(t)},
	} {
		t.Run(name, func(t *testing.T) {
			unique := fmt.Sprint(t.Name(), "-", leases.Add(1))
			db := openDB(t, s.driver, s.dsn)
			groups := []*autoscale.Group{groupOf(db, unique+"-shop"), groupOf(db, unique+"-blog")}
			paused := groups[0].Members()[0]
			if err := paused.Pause(t.Context()); err != nil { // before it runs
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, len(groups))
			for _, g := range groups {
				go func() { done <- g.Run(ctx) }()
			}
			right := func() bool {
				for _, g := range groups {
					for _, a := range g.Members() {
						if s := a.Status(); !s.Leading || (s.Command != "") != (a == paused) {
							return false
						}
					}
				}
				return true
			}
			patience := time.After(30 * time.Second)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for !right() {
				select {
				case <-patience:
					t.Fatalf("not all four lead with one paused: %v and %v", groups[0].Status(), groups[1].Status())
				case <-tick.C:
				}
			}
			stop()
			for range groups {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
