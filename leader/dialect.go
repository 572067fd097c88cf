package leader

import "strings"

// A Dialect is the SQL that a database speaks.
type Dialect string

// The dialects of [SQL].
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// table is where leases are.
const table = "autoscale_lease"

// Schema returns the statement that creates the table of [SQL], for services
// that keep their schema in migrations. It is empty for an unknown dialect.
func (d Dialect) Schema() string {
	if s := d.statements(); s != nil {
		return s.create
	}
	return ""
}

// statements are what a sqlLease runs. Each is one statement, and a transaction
// by itself. What is true of a row is decided where it is changed, in the WHERE.
type statements struct {
	table   string // that they use
	rights  string // that they need
	without string // what cannot be while they fail

	create, read, acquire, renew, release, save, command string // of a lease
	publish, takeDown, sweep, reports                    string // of a metrics board
}

// statements returns those of a dialect, or nil.
func (d Dialect) statements() *statements {
	switch d {
	case Postgres:
		return newStatements(postgresTable,
			"$NOW", "clock_timestamp()", // now() would be that of before a wait for the row
			"$UNTIL", "clock_timestamp() + $4::bigint * interval '1 millisecond'",
			"$NEVER", "'epoch'",
			"$LEFT", "(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint",
			"$AGE", "(extract(epoch FROM clock_timestamp() - saved_at) * 1000)::bigint",
			"$GREATEST", "greatest",
			"$TEXT", "::text", "$INT", "::bigint", "$BYTES", "::bytea",
		)
	case SQLite:
		now := "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
		return newStatements(sqliteTable,
			"$NOW", now,
			"$UNTIL", now+" + $4",
			"$NEVER", "0",
			"$LEFT", "expires_at - "+now,
			"$AGE", now+" - saved_at",
			"$GREATEST", "max",
			"$TEXT", "", "$INT", "", "$BYTES", "",
		)
	}
	return nil
}

const postgresTable = `CREATE TABLE IF NOT EXISTS autoscale_lease (
	name       text PRIMARY KEY,
	holder     text NOT NULL,
	term       bigint NOT NULL,
	renewal    bigint NOT NULL,
	ttl_ms     bigint NOT NULL,
	expires_at timestamptz NOT NULL,
	version    bigint NOT NULL DEFAULT 0,
	state      bytea,
	saved_at   timestamptz,
	command    bytea
)`

const sqliteTable = `CREATE TABLE IF NOT EXISTS autoscale_lease (
	name       TEXT PRIMARY KEY,
	holder     TEXT NOT NULL,
	term       INTEGER NOT NULL,
	renewal    INTEGER NOT NULL,
	ttl_ms     INTEGER NOT NULL,
	expires_at INTEGER NOT NULL, -- milliseconds since 1970
	version    INTEGER NOT NULL DEFAULT 0,
	state      BLOB,
	saved_at   INTEGER,
	command    BLOB
)`

// newStatements fills in what differs between the dialects. Parameters have the
// types that are said here, so that no driver has to ask for them.
func newStatements(create string, words ...string) *statements {
	// SQLite knows no alias in RETURNING.
	const row = `holder, term, renewal, ttl_ms, $LEFT, version,
	CASE WHEN version <> $2$INT THEN state END, coalesce($AGE, 0), command`
	for i := range 10 { // SQLite's numbered parameters
		if create == sqliteTable && i > 0 {
			words = append(words, "$"+string(rune('0'+i)), "?"+string(rune('0'+i)))
		}
	}
	fill := func(s string) string {
		s = strings.NewReplacer("$ROW", row).Replace(s)
		r := strings.NewReplacer(words...)
		return r.Replace(r.Replace(s)) // a word may hold a parameter
	}
	return &statements{
		table: table, rights: "SELECT, INSERT and UPDATE", without: "nobody can lead",
		create: create,
		read:   fill(`SELECT $ROW FROM autoscale_lease WHERE name = $1$TEXT`),
		acquire: fill(`INSERT INTO autoscale_lease AS l (name, holder, term, renewal, ttl_ms, expires_at)
VALUES ($1$TEXT, $3$TEXT, $5$INT + 1, 0, $4$INT, $UNTIL)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = $GREATEST(l.term + 1, excluded.term),
	renewal = 0, ttl_ms = excluded.ttl_ms, expires_at = $UNTIL
WHERE l.expires_at <= $NOW OR l.holder = excluded.holder OR (l.term = $6$INT AND l.renewal = $7$INT AND l.holder = $8$TEXT)
RETURNING $ROW`),
		renew: fill(`UPDATE autoscale_lease SET renewal = renewal + 1, ttl_ms = $4$INT, expires_at = $UNTIL
WHERE name = $1$TEXT AND holder = $3$TEXT AND term = $5$INT AND expires_at > $NOW
RETURNING $ROW`),
		release: fill(`UPDATE autoscale_lease SET expires_at = $NEVER
WHERE name = $1$TEXT AND holder = $2$TEXT AND term = $3$INT`),
		save: fill(`UPDATE autoscale_lease SET state = $4$BYTES, version = $5$INT, saved_at = $NOW
WHERE name = $1$TEXT AND holder = $2$TEXT AND term = $3$INT AND expires_at > $NOW AND version <= $5$INT`),
		command: fill(`INSERT INTO autoscale_lease (name, holder, term, renewal, ttl_ms, expires_at, command)
VALUES ($1$TEXT, '', 0, 0, 0, $NEVER, $2$BYTES)
ON CONFLICT (name) DO UPDATE SET command = excluded.command`),
	}
}
