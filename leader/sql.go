package leader

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// SQL returns an Elector that keeps its term in the table autoscale_lease of a
// PostgreSQL (9.5 or later) or SQLite (3.35 or later) database. If opts is nil, the
// default options are used. Later changes of *opts have no effect.
//
// Run creates the table if it is missing and the role is permitted to. If the role is not
// permitted to, if the table has another shape, or if the database is of another kind,
// that is a permanent fault. The error has the statement to run. After the first success
// such a fault is retried, at least once a minute, because the table may be missing
// during a restore. See also [CreateTable].
//
// The Elector uses at most one connection of db at a time, for one statement that is a
// transaction by itself. It needs no session, no prepared statement and no advisory lock,
// so it works through a connection pooler like PgBouncer in transaction mode. Behind one,
// the driver must not prepare statements by name either. With pgx, add
// default_query_exec_mode=exec to the URL, unless PgBouncer is 1.21 or later and has
// max_prepared_statements set. Without either, the Elector keeps failing and reports
// that, but it is never unsafe.
//
// If the pool of db is exhausted, the leader waits for a connection like everybody else,
// and may lose its term. Use [Open] then. A SQLite database must be a file, on a local
// disk, that the processes share. Set a busy_timeout of a second or more, so that writers
// do not fail.
//
// If the server reports that a connection is read-only, the connection is closed, so that
// the next attempt may find the new primary.
func SQL(db *sql.DB, opts *Options) *Elector {
	var dialect Dialect
	if opts != nil {
		dialect = opts.Dialect
	}
	return New(&sqlLease{db: db, dialect: dialect, speak: Dialect.statements}, opts)
}

// Open returns an Elector like that of [SQL] with a connection of its own. Prefer it in a
// service whose pool may be exhausted under load: a leader that waits for a connection
// loses its term just when the service must be scaled.
//
// driver is the name of a database/sql driver that the program imports, and dsn its data
// source name, as for [sql.Open]. The Elector opens at most one connection, when Run
// first needs it. Validate reports a driver that is not known. Run also reports a dsn
// that the driver refuses. Neither shows the dsn. For SQLite the dsn is a file with a
// busy_timeout, such as "file:autoscale.db?_pragma=busy_timeout(5000)" for modernc.org/sqlite.
func Open(driver, dsn string, opts *Options) *Elector {
	var dialect Dialect
	if opts != nil {
		dialect = opts.Dialect
	}
	db, err := open(driver, dsn)
	return New(&sqlLease{db: db, opened: err, dialect: dialect, speak: Dialect.statements}, opts)
}

// errRefused is what is said of a data source name that a driver cannot read.
var errRefused = errors.New("the database driver refuses the data source name: check it against the driver's documentation")

// ownIdle is after how long a connection of our own is closed that nobody uses.
const ownIdle = 5 * time.Minute

// imported says which drivers the program has, for an error.
func imported() string {
	if names := sql.Drivers(); len(names) > 0 {
		return ", or use one of those that are imported: " + strings.Join(names, ", ")
	}
	return ""
}

// open opens a database with one connection.
func open(driver, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	switch {
	case err != nil && !slices.Contains(sql.Drivers(), driver):
		return nil, fmt.Errorf("leader: the database driver %.40q is not known: import its package, as _ \"github.com/jackc/pgx/v5/stdlib\" for pgx%s", driver, imported())
	case err != nil: // its text may hold the password
		return nil, fmt.Errorf("leader: the driver is %.40q: %w", driver, errRefused)
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxIdleTime(ownIdle)
	return db, nil
}

// CreateTable creates the table of [SQL] if it is missing. It asks the database for its
// dialect. [Elector.Run] does the same. Call CreateTable if a migration runs with more
// rights than the service, or use the statement from [Dialect.Schema].
func CreateTable(ctx context.Context, db *sql.DB) error {
	l := &sqlLease{db: db, speak: Dialect.statements}
	err := l.Validate()
	if err == nil {
		err = l.open(ctx)
	}
	if err == nil {
		err = l.create(ctx)
	}
	return err
}

// sqlLease is a Lease in a table, or a board. Calls come one at a time.
type sqlLease struct {
	db      *sql.DB
	opened  error // why there is no db
	dialect Dialect
	stmt    *statements // nil: the dialect is not known yet
	speak   func(Dialect) *statements
}

func (l *sqlLease) Validate() error {
	var errs []error
	if l.opened != nil {
		errs = append(errs, l.opened)
	} else if l.db == nil {
		errs = append(errs, errors.New("leader: the *sql.DB is nil: open the database and give it"))
	}
	if l.dialect != "" && l.dialect.statements() == nil {
		errs = append(errs, fmt.Errorf("leader: Dialect is %.40q: it must be %q or %q, or empty", string(l.dialect), Postgres, SQLite))
	}
	return errors.Join(errs...)
}

func (l *sqlLease) Store() any { return l.db }

func (l *sqlLease) Read(ctx context.Context, name string, seen int64) (Row, error) {
	row, _, err := l.query(ctx, func(s *statements) string { return s.read }, name, seen)
	return row, err
}

func (l *sqlLease) Acquire(ctx context.Context, c Claim, last Row, stale bool) (Row, bool, error) {
	term, renewal := int64(-1), int64(-1) // no row has these
	if stale {
		term, renewal = last.Term, last.Renewal
	}
	return l.query(ctx, func(s *statements) string { return s.acquire },
		c.Name, last.Version, c.Holder, c.TTL.Milliseconds(), c.Term, term, renewal, last.Holder)
}

func (l *sqlLease) Renew(ctx context.Context, c Claim, seen int64) (Row, bool, error) {
	return l.query(ctx, func(s *statements) string { return s.renew },
		c.Name, seen, c.Holder, c.TTL.Milliseconds(), c.Term)
}

func (l *sqlLease) Release(ctx context.Context, c Claim) error {
	_, err := l.exec(ctx, func(s *statements) string { return s.release }, c.Name, c.Holder, c.Term)
	return err
}

func (l *sqlLease) Save(ctx context.Context, c Claim, state []byte, version int64) (bool, error) {
	n, err := l.exec(ctx, func(s *statements) string { return s.save }, c.Name, c.Holder, c.Term, state, version)
	return n > 0, err
}

func (l *sqlLease) Command(ctx context.Context, name string, command []byte) error {
	_, err := l.exec(ctx, func(s *statements) string { return s.command }, name, command)
	return err
}

// query runs a statement that returns the row, or nothing.
func (l *sqlLease) query(ctx context.Context, text func(*statements) string, args ...any) (row Row, found bool, err error) {
	err = l.run(ctx, func(conn *sql.Conn) error {
		row, found = Row{}, false
		rows, err := conn.QueryContext(ctx, text(l.stmt), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // to the end: only then has SQLite done it
			var ttl, left, age int64
			if err := rows.Scan(&row.Holder, &row.Term, &row.Renewal, &ttl, &left, &row.Version, &row.State, &age, &row.Command); err != nil {
				return &scanError{err}
			}
			row.TTL, row.Left, row.Age = milliseconds(ttl), milliseconds(left), milliseconds(age)
			found = true
		}
		return rows.Err()
	})
	if err != nil {
		return Row{}, false, err
	}
	return row, found, nil
}

// exec runs a statement that returns nothing, and returns how many rows it
// changed.
func (l *sqlLease) exec(ctx context.Context, text func(*statements) string, args ...any) (n int64, err error) {
	err = l.run(ctx, func(conn *sql.Conn) error {
		result, err := conn.ExecContext(ctx, text(l.stmt), args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}

// run runs f, and again if the table was missing and could be made.
func (l *sqlLease) run(ctx context.Context, f func(*sql.Conn) error) error {
	err := l.open(ctx)
	if err != nil {
		return err
	}
	err = l.attempt(ctx, f)
	if l.fault(err) == faultMissing {
		if err := l.create(ctx); err != nil {
			return err
		}
		err = l.attempt(ctx, f)
	}
	return l.explain(err)
}

// attempt runs f on a connection, and on another one if the driver says that
// nothing was sent because the first had ended.
func (l *sqlLease) attempt(ctx context.Context, f func(*sql.Conn) error) (err error) {
	for range 3 {
		if err = l.once(ctx, f); !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	return err
}

func (l *sqlLease) once(ctx context.Context, f func(*sql.Conn) error) error {
	conn, err := l.db.Conn(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "cannot parse `") {
		// pgx reads the data source name only now. Its text may hold the password.
		return Permanent(errRefused)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	// A driver may panic over an answer that it does not understand.
	err = guard.Do(func() error { return f(conn) })
	if l.fault(err) == faultReadOnly || guard.Of(err) != nil {
		// Else the pool would give out the connection for ever, and with it a
		// server that was the primary once.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

// open learns which SQL to speak.
func (l *sqlLease) open(ctx context.Context) error {
	if l.stmt != nil {
		return nil
	}
	if l.dialect == "" {
		var version string
		err := l.attempt(ctx, func(conn *sql.Conn) error {
			return conn.QueryRowContext(ctx, "SELECT version()").Scan(&version)
		})
		switch {
		case err != nil && strings.Contains(err.Error(), "no such function: version"):
			l.dialect = SQLite
		case err != nil:
			return l.explain(err)
		case strings.HasPrefix(version, "PostgreSQL"):
			l.dialect = Postgres
		default:
			return Permanent(fmt.Errorf("the database says that it is %.60q: leader.SQL works with PostgreSQL and SQLite. Use another database, or name the Dialect if this one speaks the same SQL", version))
		}
	}
	l.stmt = l.speak(l.dialect)
	return nil
}

// create makes the table. Of processes that make it at once, all but one get one
// of several errors; who asks again finds it there, unless something else has its
// name.
func (l *sqlLease) create(ctx context.Context) (err error) {
	for range 3 {
		err = l.attempt(ctx, func(conn *sql.Conn) error {
			_, err := conn.ExecContext(ctx, l.stmt.create)
			return err
		})
		if l.fault(err) != faultRace {
			break
		}
	}
	if l.fault(err) == faultDenied {
		return Permanent(fmt.Errorf("the table %s is missing, and this role may not create it. Run this as a role that may, and grant this one %s on it:\n%s\n%w", l.stmt.table, l.stmt.rights, l.stmt.create, outbound.Redact(err)))
	}
	return l.explain(err)
}

// explain says what to do about an error, and marks the permanent ones.
func (l *sqlLease) explain(err error) error {
	if err == nil {
		return nil
	}
	clean := outbound.Redact(err)
	// Before the dialect is known, the faults that are understood are PostgreSQL's.
	stmt := cmp.Or(l.stmt, l.speak(Postgres))
	switch l.fault(err) {
	case faultDenied:
		return Permanent(fmt.Errorf("this role may not use the table %s: grant it %s: %w", stmt.table, stmt.rights, clean))
	case faultShape, faultRace:
		return Permanent(fmt.Errorf("the table %s does not have the right shape, or the database is too old. Rename or drop whatever has this name. This statement creates the table:\n%s\n%w", stmt.table, stmt.create, clean))
	case faultReadOnly:
		return fmt.Errorf("the database is read-only: %s until it can be written to: %w", stmt.without, clean)
	case faultLocked:
		return fmt.Errorf("another connection writes to the database file: let the driver wait for it, by a busy_timeout of a second or more in the data source name, as _pragma=busy_timeout(5000) of modernc.org/sqlite or _busy_timeout=5000 of mattn/go-sqlite3: %w", clean)
	case faultPrepared:
		return fmt.Errorf("the driver prepares statements, which a pooler in transaction mode loses: with pgx add default_query_exec_mode=exec to the URL: %w", clean)
	}
	return clean
}

func milliseconds(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(-most, min(n, most))) * time.Millisecond
}
