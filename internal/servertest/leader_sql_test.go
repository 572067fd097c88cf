package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

const execMode = "default_query_exec_mode=exec"

// leaderTTL is that of a lease for whose end a test waits. A slow machine may
// cost a leader its term, which none of those tests minds. Other leases last for so
// long that no machine is too slow.
const (
	leaderTTL   = 1500 * time.Millisecond
	leaderRenew = 150 * time.Millisecond
)

var quiet = slog.New(slog.DiscardHandler)

var leases atomic.Int64

// leaseOptions are those of a lease of its own.
func leaseOptions(t testing.TB) leader.Options {
	return leader.Options{Name: fmt.Sprintf("%s-%d", t.Name(), leases.Add(1)), TTL: 20 * time.Second, Renew: leaderRenew, Logger: quiet}
}

// ownLease is the same for an elector that needs no other options.
func ownLease(t testing.TB) *leader.Options {
	o := leaseOptions(t)
	return &o
}

// shortLease are those of a lease of its own for whose end the test waits.
func shortLease(t testing.TB) leader.Options {
	o := leaseOptions(t)
	o.TTL = leaderTTL
	return o
}

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// via returns the URL of the same database through another address.
func via(t testing.TB, dsn, addr string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

func addr(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// conformance runs the suite on electors that reach the database each through a
// proxy and a pool of their own.
func conformance(t *testing.T, dsn string) {
	autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: leaderTTL + leaderRenew}, func(t *testing.T) autoscaletest.Contest {
		o := shortLease(t)
		proxies := map[string]*proxy{}
		return autoscaletest.Contest{
			New: func(holder string) autoscale.Elector {
				o := o
				o.Holder = holder
				p := newProxy(t, addr(t, dsn))
				proxies[holder] = p
				return leader.SQL(openDB(t, "pgx", via(t, dsn, p.Addr)), &o)
			},
			Cut: func(holder string, cut bool) { proxies[holder].Hang(cut) },
		}
	})
}

func TestLeaderConforms(t *testing.T) {
	postgres := servers.Postgres(t)
	t.Run("postgres", func(t *testing.T) { t.Parallel(); conformance(t, postgres) })
	t.Run("postgres, exec", func(t *testing.T) { t.Parallel(); conformance(t, postgres+"&"+execMode) })
	t.Run("postgres, simple", func(t *testing.T) {
		t.Parallel()
		conformance(t, postgres+"&default_query_exec_mode=simple_protocol")
	})
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		conformance(t, servers.PgBouncer(t, postgres)+"&"+execMode)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: leaderTTL + leaderRenew}, func(t *testing.T) autoscaletest.Contest {
			dsn := sqliteFile(t)
			o := shortLease(t)
			return autoscaletest.Contest{New: func(holder string) autoscale.Elector {
				o := o
				o.Holder = holder
				return leader.SQL(openDB(t, "sqlite", dsn), &o)
			}}
		})
	})
}

// sqliteFile returns the DSN of a new file. It is made here, because SQLite does
// not wait for a lock while two connections make a file one with a log.
func sqliteFile(t testing.TB) string {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "lease.db") + "?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)"
	db, err := sql.Open("sqlite", dsn)
	if err == nil {
		err = errors.Join(db.Ping(), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// campaign runs an elector until the test ends, or the returned function is
// called, which returns what Run did.
func campaign(t testing.TB, e *leader.Elector) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return func() error { cancel(); return <-done }
}
