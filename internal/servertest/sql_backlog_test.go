package servertest

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/probe"
)

type letter struct{}

func (letter) Kind() string { return "letter" }

// riverQueries returns the queries for River that the documentation of SQLBacklog
// shows, for PostgreSQL and for SQLite.
func riverQueries(t *testing.T) (postgres, sqlite string) {
	t.Helper()
	source, err := os.ReadFile("../../probe/sql.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "// # River\n")
	doc, _, _ := strings.Cut(rest, "type SQLBacklog struct")
	var queries []string
	for block := range strings.SplitSeq(doc, "//\n") {
		if strings.HasPrefix(block, "//\t") {
			queries = append(queries, strings.ReplaceAll(block, "//\t", ""))
		}
	}
	if len(queries) != 2 {
		t.Fatalf("the documentation of SQLBacklog has the queries %q for River, want 2", queries)
	}
	return queries[0], queries[1]
}

func TestSQLBacklogOfRiver(t *testing.T) {
	onPostgres, onSQLite := riverQueries(t)
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := servers.Postgres(t)
		const schema = "autoscale_river_test"
		admin := open(t, "pgx", dsn)
		exec(t, admin, "DROP SCHEMA IF EXISTS "+schema+" CASCADE", "CREATE SCHEMA "+schema)
		t.Cleanup(func() { admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE") })
		dsn += "&search_path=" + schema
		pool, err := pgxpool.New(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		testRiver(t, riverpgxv5.New(pool), open(t, "pgx", dsn), onPostgres,
			`UPDATE river_job SET scheduled_at = now() - interval '1 minute',
				state = CASE WHEN id % 2 = 0 THEN 'retryable' ELSE 'scheduled' END::river_job_state
			WHERE scheduled_at > now() + interval '30 hours'`)
	})
	t.Run("SQLite", func(t *testing.T) {
		dsn := sqliteFile(t)
		db := open(t, "sqlite", dsn)
		db.SetMaxOpenConns(1) // as River asks for
		testRiver(t, riversqlite.New(db), open(t, "sqlite", dsn), onSQLite,
			`UPDATE river_job SET scheduled_at = datetime('now', '-1 minute'),
				state = CASE WHEN id % 2 = 0 THEN 'retryable' ELSE 'scheduled' END
			WHERE scheduled_at > datetime('now', '+30 hours')`)
	})
}

// testRiver counts the jobs of a River. The statement overdue has the time come for
// the jobs of the day after tomorrow, while no process is there to make them available.
func testRiver[Tx any](t *testing.T, queue riverdriver.Driver[Tx], db *sql.DB, query, overdue string) {
	migrator, err := rivermigrate.New(queue, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[letter]) error { return nil }))
	client, err := river.NewClient(queue, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
		Workers: workers,
		Logger:  quiet,
	})
	if err != nil {
		t.Fatal(err)
	}

	prober := &probe.SQLBacklog{DB: db, Query: query, Args: []any{river.QueueDefault}}
	probe := func(jobs float64) autoscale.Sample {
		t.Helper()
		s, err := prober.Probe(t.Context())
		if err != nil || s.Backlog != jobs || !s.Signals.Has(autoscale.SignalBacklog) || s.Detail != "" {
			t.Fatalf("%v, %v; want a backlog of %v", s, err, jobs)
		}
		if s.Signals.Has(autoscale.SignalQueueTime) != (jobs > 0) {
			t.Fatalf("%v: want the age of the oldest job where there is one", s)
		}
		return s
	}
	insert := func(o river.InsertOpts) {
		t.Helper()
		if _, err := client.Insert(t.Context(), letter{}, &o); err != nil {
			t.Fatal(err)
		}
	}

	probe(0)
	now := time.Now()
	insert(river.InsertOpts{Queue: "other"})
	insert(river.InsertOpts{ScheduledAt: now.Add(24 * time.Hour)})
	probe(0)
	insert(river.InsertOpts{ScheduledAt: now.Add(-time.Minute)})
	insert(river.InsertOpts{ScheduledAt: now.Add(-2 * time.Hour)})
	if s := probe(2); s.QueueTime < time.Hour || s.QueueTime > 3*time.Hour {
		t.Errorf("the oldest job could begin two hours ago, and its age is %v", s.QueueTime)
	}
	insert(river.InsertOpts{ScheduledAt: now.Add(48 * time.Hour)})
	insert(river.InsertOpts{ScheduledAt: now.Add(48 * time.Hour)})
	probe(2)
	exec(t, db, overdue)
	probe(4)

	done, unsubscribe := client.Subscribe(river.EventKindJobCompleted)
	defer unsubscribe()
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range 4 {
		select {
		case <-done:
		case <-late.Done():
			t.Fatalf("River worked off %d of 4 jobs", i)
		}
	}
	probe(0)
	if err := client.Stop(late); err != nil {
		t.Error(err)
	}
}
