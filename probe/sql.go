package probe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/rule"
)

// SQLBacklog measures the backlog of a queue in a database. rule.Backlog is the rule for
// it. It is safe for concurrent use once its fields are set.
//
// The query must return one row with one to three columns:
//
//  1. The number of jobs that wait, which is [autoscale.SignalBacklog].
//  2. The age of the oldest of them in seconds, which is [autoscale.SignalQueueTime]. NULL:
//     no job waits. If clocks differ, the age can be negative. It is then left out, and
//     Detail says so.
//  3. The number of jobs that are under way, which is [autoscale.SignalBusy]. Without it a
//     rule cannot know whether a process that it removes is at work.
//
// Probe returns an error if the query fails, does not end in time, or returns no row,
// several rows or other columns. It also returns an error if the number of jobs is NULL,
// negative or not finite. The error wraps the driver's.
//
// Each probe takes one connection from DB's pool, waits for it as any other user does,
// and gives it back. Probe ends with its context if the driver supports that.
// [autoscale.Config.Timeout] bounds it.
//
// # River
//
// For River (riverqueue.com) on PostgreSQL, with the queue's name as the argument:
//
//	SELECT count(*) FILTER (WHERE state <> 'running'),
//	       extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE state <> 'running')),
//	       count(*) FILTER (WHERE state = 'running')
//	FROM river_job
//	WHERE queue = $1
//	  AND (state = 'running' OR
//	       state IN ('available', 'retryable', 'scheduled') AND scheduled_at <= now())
//
// and on SQLite:
//
//	SELECT count(*) FILTER (WHERE state <> 'running'),
//	       (julianday('now') - julianday(min(scheduled_at) FILTER (WHERE state <> 'running'))) * 86400,
//	       count(*) FILTER (WHERE state = 'running')
//	FROM river_job
//	WHERE queue = ?
//	  AND (state = 'running' OR
//	       state IN ('available', 'retryable', 'scheduled') AND scheduled_at <= datetime('now', 'subsec'))
//
// Both queries also count scheduled and retryable jobs once their time has come. A client
// of River would make them available, but with 0 processes there may be no client.
type SQLBacklog struct {
	DB    *sql.DB // required
	Query string  // required; it should only read, and use an index to find what it counts
	Args  []any   // the values of the query's placeholders
}

// Rule returns [rule.Backlog], which a Config without a Decider uses.
func (b *SQLBacklog) Rule() autoscale.Decider { return rule.Backlog{} }

// Validate reports what is wrong with the settings. It does no I/O.
func (b *SQLBacklog) Validate() error {
	var errs []error
	if b.DB == nil {
		errs = append(errs, errors.New("probe.SQLBacklog.DB is nil: give an open database, as sql.Open returns it"))
	}
	if b.Query == "" {
		errs = append(errs, errors.New("probe.SQLBacklog.Query is empty: give a query that counts the jobs that wait, as SELECT count(*) FROM jobs WHERE state = 'waiting'"))
	}
	return errors.Join(errs...)
}

// Probe asks the database once.
func (b *SQLBacklog) Probe(ctx context.Context) (autoscale.Sample, error) {
	var s autoscale.Sample
	err := guard.Do(func() (err error) { s, err = b.measure(ctx); return err }) // drivers may panic on odd answers
	if err != nil {
		return autoscale.Sample{}, fmt.Errorf("autoscale: probe SQL backlog: nothing was measured: %w", err)
	}
	return s, nil
}

// maxDriverText is how many bytes of a driver's error are shown.
const maxDriverText = 500

// driverError is an error of a driver, whose text is on one short line.
type driverError struct{ err error }

func (e driverError) Error() string { return outbound.Line(e.err.Error(), maxDriverText) }
func (e driverError) Unwrap() error { return e.err }

func (b *SQLBacklog) measure(ctx context.Context) (autoscale.Sample, error) {
	if err := b.Validate(); err != nil {
		return autoscale.Sample{}, err
	}
	jobs, age, busy, err := b.ask(ctx)
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return autoscale.Sample{}, fmt.Errorf("%w: %w", context.Cause(ctx), err) // not every driver reports that the context ended
	case err != nil:
		return autoscale.Sample{}, err
	case !jobs.Valid:
		return autoscale.Sample{}, errors.New("the number of jobs is NULL: count(*) never is, and for a sum write coalesce(sum(...), 0)")
	case !(jobs.V >= 0 && jobs.V <= math.MaxFloat64):
		return autoscale.Sample{}, fmt.Errorf("the number of jobs is %v: it must be 0 or more, and finite", jobs.V)
	}
	s := autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalBacklog, Backlog: jobs.V}
	if age.Valid {
		if err := s.Set(autoscale.SignalQueueTime, age.V); err != nil {
			s.AddDetail(fmt.Sprintf("the oldest job's age of %v s was left out: it must be 0 or more, now minus the time at which it could begin", age.V))
		}
	}
	if busy.Valid {
		if err := s.Set(autoscale.SignalBusy, busy.V); err != nil {
			return autoscale.Sample{}, fmt.Errorf("the number of jobs under way is %w", err)
		}
	}
	return s, nil
}

// ask runs the query, and gives the connection back.
func (b *SQLBacklog) ask(ctx context.Context) (jobs, age, busy sql.Null[float64], err error) {
	rows, err := b.DB.QueryContext(ctx, b.Query, b.Args...)
	if err != nil {
		return jobs, age, busy, fmt.Errorf("run probe.SQLBacklog.Query: %w", driverError{err})
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return jobs, age, busy, fmt.Errorf("read the columns of probe.SQLBacklog.Query: %w", driverError{err})
	}
	into := []any{&jobs, &age, &busy}
	if len(columns) < 1 || len(columns) > len(into) {
		return jobs, age, busy, fmt.Errorf("probe.SQLBacklog.Query returns %d columns: it must return the number of jobs that wait, and may return the age of the oldest in seconds and the number of jobs under way", len(columns))
	}
	if rows.Next() {
		if err := rows.Scan(into[:len(columns)]...); err != nil {
			return jobs, age, busy, fmt.Errorf("read the row of probe.SQLBacklog.Query, of numbers: %w", driverError{err})
		}
		if rows.Next() {
			return jobs, age, busy, errors.New("probe.SQLBacklog.Query returns more than one row: count all jobs in one, without GROUP BY")
		}
	} else if rows.Err() == nil {
		return jobs, age, busy, errors.New("probe.SQLBacklog.Query returns no row: count the jobs, which returns 0 where there are none")
	}
	if err := rows.Err(); err != nil {
		return jobs, age, busy, fmt.Errorf("read the row of probe.SQLBacklog.Query: %w", driverError{err})
	}
	return jobs, age, busy, nil
}

// Format writes nothing of the settings, which may hold secrets.
func (b SQLBacklog) Format(f fmt.State, _ rune) { fmt.Fprint(f, "probe.SQLBacklog") }
