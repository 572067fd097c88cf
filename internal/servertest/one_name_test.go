package servertest

import (
	"database/sql"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/leasesuite"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// One name has one lease, one state, one command, one history and one board, in each
// database.
func TestOneNameOneLease(t *testing.T) {
	for name, s := range map[string]struct {
		driver string
		open   func(t *testing.T) *sql.DB
	}{
		"postgres": {"pgx", func(t *testing.T) *sql.DB {
			_, db := schema(t, servers.Postgres(t), "")
			return db
		}},
		"sqlite": {"sqlite", func(t *testing.T) *sql.DB { return openDB(t, "sqlite", sqliteFile(t)) }},
	} {
		t.Run(name, func(t *testing.T) {
			db := s.open(t)
			db.SetMaxOpenConns(4)
			if err := leader.CreateTable(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			leasesuite.OneName(t, func(app string) *leader.Elector {
				return leader.SQL(db, &leader.Options{App: app, TTL: time.Minute, Logger: quiet})
			}, func(name string) traffic.MetricsBoard {
				return leader.MetricsBoard(db, &leader.Options{Name: name})
			})
		})
	}
}
