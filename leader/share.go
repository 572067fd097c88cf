package leader

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

// shareTable is where the shares of a [Board] are.
const shareTable = "autoscale_share"

// shareKept is how long a share that nobody renews stays in the table.
const shareKept = 10 * time.Minute

// Board returns a board for [traffic.Shared], on which the processes of a service put
// what they measured. It is the table autoscale_share of a PostgreSQL (9.5 or
// later) or SQLite (3.35 or later) database, which may be the one of [SQL].
//
// Of the options, Name and Dialect are used. If opts is nil, the default options are
// used. Boards of different names do not see each other's shares.
//
// The table is created if it is missing and the role may; else see
// [Dialect.ShareSchema]. Ages are by the clock of the database. Each call is one
// statement, on one connection at a time, as that of [SQL]; the first Publish is
// two, as it deletes the shares of all boards that are ten minutes old.
func Board(db *sql.DB, opts *Options) traffic.Board {
	var o Options
	if opts != nil {
		o = *opts
	}
	b := &board{
		name:  o.withDefaults().Name,
		store: sqlLease{db: db, dialect: o.Dialect, speak: Dialect.shareStatements},
		line:  make(chan struct{}, 1),
	}
	b.fault = b.store.Validate()
	if !isName(b.name) {
		b.fault = errors.Join(b.fault, fmt.Errorf("leader: Name is %.80q: give at most %d bytes of printable UTF-8", b.name, maxName))
	}
	return b
}

// ShareSchema returns the statement that creates the table of [Board], for those who
// keep their schema in migrations. It is empty for an unknown dialect. The role
// of the service needs SELECT, INSERT, UPDATE and DELETE on it.
func (d Dialect) ShareSchema() string {
	if s := d.shareStatements(); s != nil {
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

func (b *board) Publish(ctx context.Context, member string, share []byte) error {
	if len(share) > traffic.MaxShareSize {
		return fmt.Errorf("leader: publish: the share of %.80q has %d bytes, more than %d", member, len(share), traffic.MaxShareSize)
	}
	return b.do(ctx, "publish a share", func() error {
		if len(share) == 0 {
			_, err := b.store.exec(ctx, func(s *statements) string { return s.takeDown }, b.name, member)
			return err
		}
		_, err := b.store.exec(ctx, func(s *statements) string { return s.publish }, b.name, member, share)
		if err != nil || b.swept {
			return err
		}
		// Each process sweeps once, so that no more are left than died since one
		// started.
		_, err = b.store.exec(ctx, func(s *statements) string { return s.sweep }, shareKept.Milliseconds())
		b.swept = err == nil
		return err
	})
}

func (b *board) Read(ctx context.Context, fresh time.Duration) (shares []traffic.Share, err error) {
	err = b.do(ctx, "read the shares", func() error {
		return b.store.run(ctx, func(conn *sql.Conn) error {
			shares = nil
			rows, err := conn.QueryContext(ctx, b.store.stmt.shares, b.name, fresh.Milliseconds(), traffic.MaxShares)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var s traffic.Share
				var age int64
				if err := rows.Scan(&s.Member, &s.Data, &age); err != nil {
					return &scanError{err}
				}
				s.Age = milliseconds(age)
				shares = append(shares, s)
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return shares, nil
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

// shareStatements returns the statements of a board, or nil. A share from the
// future, which a clock that was set back leaves behind, is no fresh one.
func (d Dialect) shareStatements() *statements {
	var r *strings.Replacer
	create := postgresShares
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
		create = sqliteShares
		r = strings.NewReplacer(
			"$NOW", now, "$AGE", now+" - published_at",
			"$1MS", "?1", "$2MS", "?2", "$1", "?1", "$2", "?2", "$3D", "?3", "$3", "?3",
		)
	default:
		return nil
	}
	return &statements{
		table: shareTable, rights: "SELECT, INSERT, UPDATE and DELETE", without: "nothing is shared",
		create: create,
		publish: r.Replace(`INSERT INTO autoscale_share (name, member, data, published_at) VALUES ($1, $2, $3D, $NOW)
ON CONFLICT (name, member) DO UPDATE SET data = excluded.data, published_at = excluded.published_at`),
		takeDown: r.Replace(`DELETE FROM autoscale_share WHERE name = $1 AND member = $2`),
		sweep:    r.Replace(`DELETE FROM autoscale_share WHERE published_at <= $NOW - $1MS OR published_at > $NOW + $1MS`),
		shares: r.Replace(`SELECT member, data, $AGE FROM autoscale_share
WHERE name = $1 AND published_at > $NOW - $2MS AND published_at <= $NOW
ORDER BY published_at DESC LIMIT $3`),
	}
}

const postgresShares = `CREATE TABLE IF NOT EXISTS autoscale_share (
	name         text NOT NULL,
	member       text NOT NULL,
	data         bytea NOT NULL,
	published_at timestamptz NOT NULL,
	PRIMARY KEY (name, member)
)`

const sqliteShares = `CREATE TABLE IF NOT EXISTS autoscale_share (
	name         TEXT NOT NULL,
	member       TEXT NOT NULL,
	data         BLOB NOT NULL,
	published_at INTEGER NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (name, member)
)`
