package heartbeat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// DefaultTable is the table that [SQL] reads.
const DefaultTable = "autoscale_heartbeat"

// tableRows is how many rows CreateTable makes, with the ids 1 to tableRows. They are
// enough that two heartbeats in a row usually read different rows, and few enough that a
// driver can keep a prepared statement for each.
const tableRows = 16

// A name, or two with a dot between them. It goes into the statements unchanged.
var validTable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

// SQL exercises a database: it reads one row of [DefaultTable], chosen at random and found
// by its key. [CreateTable] makes the table. Its name is "sql".
//
// The connection comes from db's pool. The wait for it is part of the measurement, as it
// is for every page. The statement works on PostgreSQL, MariaDB, MySQL and SQLite.
func SQL(db *sql.DB) Dependency { return SQLTable(db, DefaultTable) }

// SQLTable is [SQL] with another table, which [CreateTable] makes too. Its name is of
// letters, digits and _, or SCHEMA.NAME.
func SQLTable(db *sql.DB, table string) Dependency {
	d := Dependency{name: "sql", run: func(ctx context.Context) error { return readRow(ctx, db, table) }}
	if err := validSQL(db, table); err != nil {
		d.fault = "SQL: " + err.Error()
	}
	return d
}

func validSQL(db *sql.DB, table string) error {
	if db == nil {
		return errors.New("the database is nil: give an open one, as sql.Open returns it")
	}
	if !validTable.MatchString(table) {
		return fmt.Errorf("the table %q: it must be NAME or SCHEMA.NAME, of letters, digits and _, and must not begin with a digit", table)
	}
	return nil
}

// readRow writes the key into the statement because the placeholders of databases differ.
// Finding the row by key costs the same in every database; ORDER BY random() reads the
// whole table.
func readRow(ctx context.Context, db *sql.DB, table string) error {
	id := strconv.Itoa(1 + rand.IntN(tableRows))
	var beat string
	err := db.QueryRowContext(ctx, "SELECT beat FROM "+table+" WHERE id = "+id).Scan(&beat)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("the table %s has no row with id %s of 1 to %d: call heartbeat.CreateTable, which makes the rows that are missing", table, id, tableRows)
	case err != nil:
		return fmt.Errorf("read the table %s, which heartbeat.CreateTable makes: %w", table, err)
	case beat == "":
		return fmt.Errorf("the row with id %s of table %s is empty", id, table)
	}
	return nil
}

// CreateTable makes the table that [SQL] (DefaultTable) or [SQLTable] reads, with its 16
// small rows. It leaves alone what is there already. So every process of a service may
// call it at each start, even several at the same moment. If the table is complete, only
// the right to read it is needed. It works on PostgreSQL, MariaDB, MySQL and SQLite.
//
// The error wraps the driver's, and its text holds no password.
func CreateTable(ctx context.Context, db *sql.DB, table string) error {
	if err := validSQL(db, table); err != nil {
		return fmt.Errorf("heartbeat: create table: %w", err)
	}
	// Two processes that make the table at once can collide, even with IF NOT EXISTS. The
	// one that lost finds the table when it looks again.
	const attempts = 4
	var err error
	for i := range attempts {
		if i > 0 {
			select {
			case <-time.After(time.Duration(i) * 50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		// A driver may panic on an answer that it does not understand.
		there := false
		_ = guard.Do(func() error { there = complete(ctx, db, table); return nil })
		if there {
			return nil
		}
		if ctx.Err() != nil {
			err = errors.Join(err, context.Cause(ctx))
			break
		}
		if err = guard.Do(func() error { return fill(ctx, db, table) }); err == nil {
			return nil
		}
	}
	return fmt.Errorf("heartbeat: create table %s: %w", table, cleanError{err})
}

// complete reports whether the table can be read and lacks no row. An error counts as no,
// because each database reports a missing table in its own words.
func complete(ctx context.Context, db *sql.DB, table string) bool {
	var rows int
	err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE id BETWEEN 1 AND %d", table, tableRows)).Scan(&rows)
	return err == nil && rows == tableRows
}

// fill makes the table and the rows that it lacks.
func fill(ctx context.Context, db *sql.DB, table string) error {
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (id INTEGER NOT NULL PRIMARY KEY, beat VARCHAR(16) NOT NULL)"); err != nil {
		return err
	}
	var ids strings.Builder
	ids.WriteString("SELECT 1 AS id")
	for id := 2; id <= tableRows; id++ {
		fmt.Fprintf(&ids, " UNION ALL SELECT %d", id)
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf(
		"INSERT INTO %s (id, beat) SELECT wanted.id, 'Beat' FROM (%s) AS wanted WHERE wanted.id NOT IN (SELECT id FROM %s)",
		table, &ids, table))
	return err
}
