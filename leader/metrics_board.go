package leader

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// reportTable is the table of a [MetricsBoard].
const reportTable = "autoscale_report"

// reportKept is how long a report stays in the table after it was published.
const reportKept = 10 * time.Minute

// MetricsBoard returns a board for [traffic.Shared], on which the processes of a service
// publish what they measured. It is the table autoscale_report of a PostgreSQL (9.5 or
// later) or SQLite (3.35 or later) database, which may be the one of [SQL].
//
// It uses the options Name, App and Dialect. If opts is nil, the default options are
// used. Without a Name the board is called after App, and without an App
// [autoscale.DefaultName]. Boards of different names do not see each other's reports.
// If two process types of an application publish reports, each needs a Name of its own.
//
// The table is created if it is missing and the role may create it. If the role may not,
// see [Dialect.MetricsBoardSchema]. Ages are by the clock of the database. Each call is
// one statement, and uses one connection at a time, as [SQL] does. The first Publish is
// two statements, because it also deletes the reports of all boards that are ten minutes
// old.
func MetricsBoard(db *sql.DB, opts *Options) traffic.MetricsBoard {
	var o Options
	if opts != nil {
		o = *opts
	}
	b := &board{
		name:  cmp.Or(o.Name, o.withDefaults().App, autoscale.DefaultName),
		store: sqlLease{db: db, dialect: o.Dialect, speak: Dialect.boardStatements},
		line:  make(chan struct{}, 1),
	}
	b.fault = b.store.Validate()
	if !isName(b.name) {
		b.fault = errors.Join(b.fault, fmt.Errorf("leader: Name is %.80q: give at most %d bytes of printable UTF-8", b.name, maxName))
	}
	return b
}

// MetricsBoardSchema returns the statement that creates the table of [MetricsBoard], for
// services that keep their schema in migrations. It is empty for an unknown dialect. The
// role of the service needs SELECT, INSERT, UPDATE and DELETE on the table.
func (d Dialect) MetricsBoardSchema() string {
	if s := d.boardStatements(); s != nil {
		return s.create
	}
	return ""
}

type board struct {
	name  string
	fault error // of how it was made
	store sqlLease
	line  chan struct{} // holds a token while store, or swept, is in use
	swept bool
}

func (b *board) Validate() error { return b.fault }

// Format shows the name alone: a database may know its password.
func (b *board) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "leader.MetricsBoard(%s)", b.name) }

func (b *board) Publish(ctx context.Context, member string, report []byte) error {
	if len(report) > traffic.MaxReportSize {
		return fmt.Errorf("leader: publish: the report of %.80q has %d bytes, more than %d", member, len(report), traffic.MaxReportSize)
	}
	return b.do(ctx, "publish a report", func() error {
		if len(report) == 0 {
			_, err := b.store.exec(ctx, func(s *statements) string { return s.takeDown }, b.name, member)
			return err
		}
		_, err := b.store.exec(ctx, func(s *statements) string { return s.publish }, b.name, member, report)
		if err != nil || b.swept {
			return err
		}
		// Each process sweeps once. What is left is of the processes that died since.
		_, err = b.store.exec(ctx, func(s *statements) string { return s.sweep }, reportKept.Milliseconds())
		b.swept = err == nil
		return err
	})
}

func (b *board) Read(ctx context.Context, fresh time.Duration) (reports []traffic.Report, err error) {
	err = b.do(ctx, "read the reports", func() error {
		return b.store.run(ctx, func(conn *sql.Conn) error {
			reports = nil
			rows, err := conn.QueryContext(ctx, b.store.stmt.reports, b.name, fresh.Milliseconds(), traffic.MaxReports)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var s traffic.Report
				var age int64
				if err := rows.Scan(&s.Member, &s.Data, &age); err != nil {
					return &scanError{err}
				}
				s.Age = milliseconds(age)
				reports = append(reports, s)
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return reports, nil
}

// do runs f when no other call is under way.
func (b *board) do(ctx context.Context, what string, f func() error) error {
	if b.fault != nil {
		return b.fault
	}
	var err error
	select {
	case b.line <- struct{}{}:
		defer func() { <-b.line }()
		err = f()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("leader: %s: %w", what, err)
	}
	return nil
}

// boardStatements returns the statements of a board, or nil. A report from the future,
// which a clock that was set back leaves behind, is not fresh.
func (d Dialect) boardStatements() *statements {
	var r *strings.Replacer
	create := postgresReports
	switch d {
	case Postgres:
		r = strings.NewReplacer(
			"$NOW", "clock_timestamp()",
			"$AGE", "(extract(epoch FROM clock_timestamp() - published_at) * 1000)::bigint",
			"$1MS", "$1::bigint * interval '1 millisecond'", "$2MS", "$2::bigint * interval '1 millisecond'",
			"$1", "$1::text", "$2", "$2::text", "$3D", "$3::bytea", "$3", "$3::bigint",
		)
	case SQLite:
		now := "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
		create = sqliteReports
		r = strings.NewReplacer(
			"$NOW", now, "$AGE", now+" - published_at",
			"$1MS", "?1", "$2MS", "?2", "$1", "?1", "$2", "?2", "$3D", "?3", "$3", "?3",
		)
	default:
		return nil
	}
	return &statements{
		table: reportTable, rights: "SELECT, INSERT, UPDATE and DELETE", without: "nothing is published",
		create: create,
		publish: r.Replace(`INSERT INTO autoscale_report (name, member, data, published_at) VALUES ($1, $2, $3D, $NOW)
ON CONFLICT (name, member) DO UPDATE SET data = excluded.data, published_at = excluded.published_at`),
		takeDown: r.Replace(`DELETE FROM autoscale_report WHERE name = $1 AND member = $2`),
		sweep:    r.Replace(`DELETE FROM autoscale_report WHERE published_at <= $NOW - $1MS OR published_at > $NOW + $1MS`),
		reports: r.Replace(`SELECT member, data, $AGE FROM autoscale_report
WHERE name = $1 AND published_at > $NOW - $2MS AND published_at <= $NOW
ORDER BY published_at DESC LIMIT $3`),
	}
}

const postgresReports = `CREATE TABLE IF NOT EXISTS autoscale_report (
	name         text NOT NULL,
	member       text NOT NULL,
	data         bytea NOT NULL,
	published_at timestamptz NOT NULL,
	PRIMARY KEY (name, member)
)`

const sqliteReports = `CREATE TABLE IF NOT EXISTS autoscale_report (
	name         TEXT NOT NULL,
	member       TEXT NOT NULL,
	data         BLOB NOT NULL,
	published_at INTEGER NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (name, member)
)`
