package servertest

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// campaigning runs e until the test ends, and returns what its Run returns.
func campaigning(t *testing.T, e autoscale.Elector) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done <- e.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return done
}

// leadsWithin waits until e leads, for as long as patience.
func leadsWithin(e autoscale.Elector, patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, ok := e.Current(); ok {
			return true
		}
	}
	return false
}

// The pool of a service is exhausted, just when its load is high. An Elector with a
// connection of its own leads all the same. The one on the pool is the control.
func TestLeaderWithAConnectionOfItsOwn(t *testing.T) {
	dsn := servers.Postgres(t)
	pool := openDB(t, "pgx", dsn)
	pool.SetMaxOpenConns(4)
	for range 4 {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	own, starved := leader.Open("pgx", dsn, ownLease(t)), leader.SQL(pool, ownLease(t))
	campaigning(t, own)
	campaigning(t, starved)
	if !leadsWithin(own, 30*time.Second) {
		t.Error("with a connection of its own it does not lead")
	}
	if leadsWithin(starved, time.Second) {
		t.Error("without one it leads too: the pool was not exhausted, and the test shows nothing")
	}
}

// A file that somebody else writes to, by a driver that does not wait: the log says what to set.
func TestLeaderFileIsLocked(t *testing.T) {
	file := "file:" + filepath.Join(t.TempDir(), "lease.db")
	db := openDB(t, "sqlite", file)
	must(t, db, leader.SQLite.Schema())
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = leader.Open("sqlite", file, ownLease(t)).Refresh(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a busy_timeout of a second or more") {
		t.Errorf("got %v", err)
	}
}

func TestLeaderOpenHidesTheDataSourceName(t *testing.T) {
	for name, e := range map[string]*leader.Elector{
		"an unknown driver": leader.Open("nosuchdriver", "postgres://u:hunter2@h/d", ownLease(t)),
		"a bad name":        leader.Open("pgx", "postgres://u:hunter2@[bad/d?x=%zz", ownLease(t)),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := errors.Join(e.Validate(), e.Run(ctx))
		cancel()
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want an error without the password", name, err)
		}
	}
}

// The lease's table is away for a while, as for a restore. That is permanent for an Elector
// that never had its table, and passes for one that had.
func TestLeaderTableIsAway(t *testing.T) {
	dsn := sqliteFile(t)
	db := openDB(t, "sqlite", dsn)
	o := shortLease(t)
	e := leader.SQL(openDB(t, "sqlite", dsn), &o)
	done := campaigning(t, e)
	if !leadsWithin(e, 30*time.Second) {
		t.Fatal("does not lead at first")
	}
	exec := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	exec(`ALTER TABLE autoscale_lease RENAME TO away`, `CREATE TABLE autoscale_lease (other int)`)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, ok := e.Current(); !ok {
			break
		}
	}
	if _, ok := e.Current(); ok {
		t.Fatal("still leads without its table")
	}
	if err := second(t, dsn).Run(t.Context()); err == nil {
		t.Error("an Elector that never had its table: Run returned no error")
	}
	exec(`DROP TABLE autoscale_lease`, `ALTER TABLE away RENAME TO autoscale_lease`)
	if !leadsWithin(e, 30*time.Second) {
		t.Error("does not lead again after the table came back")
	}
	select {
	case err := <-done:
		t.Errorf("Run returned %v while the table was away", err)
	default:
	}
}

func second(t *testing.T, dsn string) *leader.Elector {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return leader.SQL(db, ownLease(t))
}
