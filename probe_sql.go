package autoscale

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"
)

// SQLBacklog measures the backlog of a queue that is in a database: it asks for
// the number of jobs that wait, and for how long the oldest has waited where the query says
// that too. [Backlog] is the rule for it. It is safe for concurrent use once its
// fields are set.
//
// The query returns one row of one or two columns. The first is the number of jobs,
// which is [SignalBacklog]. The second is the age of the oldest in seconds, which
// is [SignalQueueTime]; NULL: no age was measured, as where no job waits. A
// negative age, which clocks that differ can make, is left out with a word in
// Detail.
//
// Nothing was measured, and Probe returns an error, when the query fails, does
// not end in time, or returns no row, several, or other columns, and when the number is NULL,
// negative or not finite. The error wraps what the driver says.
//
// Each probe takes one connection from DB's pool, waits for it as any other user
// does, and gives it back. It ends with its context as far as the driver heeds
// one; [Config.Timeout] bounds it.
//
// # River
//
// For River (riverqueue.com) on PostgreSQL, with the queue's name as the
// argument:
//
//	SELECT count(*), extract(epoch FROM now() - min(scheduled_at))
//	FROM river_job
//	WHERE queue = $1
//	  AND state IN ('available', 'retryable', 'scheduled')
//	  AND scheduled_at <= now()
//
// and on SQLite:
//
//	SELECT count(*), (julianday('now') - julianday(min(scheduled_at))) * 86400
//	FROM river_job
//	WHERE queue = ?
//	  AND state IN ('available', 'retryable', 'scheduled')
//	  AND scheduled_at <= datetime('now', 'subsec')
//
// Both count scheduled and retryable jobs too once their time has come: a client
// of River makes them available, and with 0 processes none may run.
type SQLBacklog struct {
	DB    *sql.DB // required
	Query string  // required; it should only read, and find by an index what it counts
	Args  []any   // of the query's placeholders
}

// Validate reports what is wrong with the settings. It does no I/O.
func (b SQLBacklog) Validate() error {
	var errs []error
	if b.DB == nil {
		errs = append(errs, errors.New("SQLBacklog.DB is nil: give an open database, as sql.Open returns it"))
	}
	if b.Query == "" {
		errs = append(errs, errors.New("SQLBacklog.Query is empty: give a query that counts the jobs that wait, as SELECT count(*) FROM jobs WHERE state = 'waiting'"))
	}
	return errors.Join(errs...)
}

// Probe asks the database once.
func (b SQLBacklog) Probe(ctx context.Context) (Sample, error) {
	s, err := b.measure(ctx)
	if err != nil {
		return Sample{}, fmt.Errorf("autoscale: probe SQL backlog: nothing was measured: %w", err)
	}
	return s, nil
}

func (b SQLBacklog) measure(ctx context.Context) (Sample, error) {
	if err := b.Validate(); err != nil {
		return Sample{}, err
	}
	jobs, age, err := b.ask(ctx)
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return Sample{}, fmt.Errorf("%w: %w", context.Cause(ctx), err) // not every driver says so
	case err != nil:
		return Sample{}, err
	case !jobs.Valid:
		return Sample{}, errors.New("the number of jobs is NULL: count(*) never is, and for a sum write coalesce(sum(...), 0)")
	case !(jobs.V >= 0 && jobs.V <= math.MaxFloat64):
		return Sample{}, fmt.Errorf("the number of jobs is %v: it must be 0 or more, and finite", jobs.V)
	}
	s := Sample{Time: time.Now(), Signals: SignalBacklog, Backlog: jobs.V}
	if !age.Valid {
		return s, nil
	}
	d, ok := inSeconds(age.V)
	if !ok || d < 0 {
		s.Detail = fmt.Sprintf("the oldest job's age of %v s was left out: it must be 0 or more, now minus the time at which it could begin", age.V)
		return s, nil
	}
	s.Signals |= SignalQueueTime
	s.QueueTime = d
	return s, nil
}

// ask runs the query, and gives the connection back.
func (b SQLBacklog) ask(ctx context.Context) (jobs, age sql.Null[float64], err error) {
	rows, err := b.DB.QueryContext(ctx, b.Query, b.Args...)
	if err != nil {
		return jobs, age, fmt.Errorf("run SQLBacklog.Query: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return jobs, age, fmt.Errorf("read the columns of SQLBacklog.Query: %w", err)
	}
	into := []any{&jobs, &age}
	if len(columns) < 1 || len(columns) > len(into) {
		return jobs, age, fmt.Errorf("SQLBacklog.Query returns %d columns: it must return the number of jobs, and may return the age of the oldest in seconds", len(columns))
	}
	if rows.Next() {
		if err := rows.Scan(into[:len(columns)]...); err != nil {
			return jobs, age, fmt.Errorf("read the row of SQLBacklog.Query, of numbers: %w", err)
		}
		if rows.Next() {
			return jobs, age, errors.New("SQLBacklog.Query returns more than one row: count all jobs in one, without GROUP BY")
		}
	} else if rows.Err() == nil {
		return jobs, age, errors.New("SQLBacklog.Query returns no row: count the jobs, which returns 0 where there are none")
	}
	if err := rows.Err(); err != nil {
		return jobs, age, fmt.Errorf("read the row of SQLBacklog.Query: %w", err)
	}
	return jobs, age, nil
}

// Format writes nothing of the settings, which may hold secrets.
func (b SQLBacklog) Format(f fmt.State, _ rune) { fmt.Fprint(f, "SQLBacklog") }
