package probe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/probe"
)

// table is a database that answers every query with the same rows.
type table struct {
	columns int
	rows    [][]driver.Value
	connect error // connecting fails
	query   error // the query fails
	next    error // reading on fails after the rows
	hang    bool  // the query ends with its context

	asked string
	args  []driver.NamedValue
}

func (d *table) Connect(context.Context) (driver.Conn, error) { return d, d.connect }
func (d *table) Driver() driver.Driver                        { return nil }
func (d *table) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (d *table) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (d *table) Close() error                                 { return nil }

func (d *table) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	d.asked, d.args = query, args
	if d.hang {
		<-ctx.Done()
		return nil, errors.New("canceling statement due to user request")
	}
	return &cursor{table: d}, d.query
}

type cursor struct {
	*table
	read int
}

func (c *cursor) Columns() []string { return slices.Repeat([]string{"n"}, c.columns) }
func (c *cursor) Close() error      { return nil }

func (c *cursor) Next(into []driver.Value) error {
	if c.read == len(c.rows) {
		if c.next != nil {
			return c.next
		}
		return io.EOF
	}
	copy(into, c.rows[c.read])
	c.read++
	return nil
}

func ExampleSQLBacklog() {
	db := sql.OpenDB(&table{columns: 2, rows: [][]driver.Value{{int64(37), 12.5}}}) // a host takes sql.Open
	defer db.Close()
	p := &probe.SQLBacklog{
		DB: db,
		Query: `SELECT count(*), extract(epoch FROM now() - min(scheduled_at)) FROM river_job
			WHERE queue = $1 AND state IN ('available', 'retryable', 'scheduled') AND scheduled_at <= now()`,
		Args: []any{"default"},
	}
	fmt.Println(p.Probe(context.Background()))
	// Output: queue time 12.5s, backlog 37 <nil>
}

func TestSQLBacklog(t *testing.T) {
	broken := errors.New("relation \"river_job\" does not exist")
	row := func(values ...driver.Value) table {
		return table{columns: len(values), rows: [][]driver.Value{values}}
	}
	count := autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: 3}
	aged := autoscale.Sample{Signals: autoscale.SignalBacklog | autoscale.SignalQueueTime, Backlog: 3, QueueTime: 1500 * ms}
	working := autoscale.Sample{Signals: aged.Signals | autoscale.SignalBusy, Backlog: 1, QueueTime: 1500 * ms, Busy: 3}
	ending := autoscale.Sample{Signals: autoscale.SignalBacklog | autoscale.SignalBusy, Busy: 3}
	for name, tt := range map[string]struct {
		table  table
		want   autoscale.Sample
		detail string
		err    string // "": a sample
		is     error
	}{
		"a count":               {table: row(int64(3)), want: count},
		"a count as text":       {table: row([]byte("3")), want: count},
		"a count and an age":    {table: row(int64(3), 1.5), want: aged},
		"an age as text":        {table: row(int64(3), "1.500000"), want: aged},
		"no age":                {table: row(int64(3), nil), want: count},
		"no job":                {table: row(int64(0), nil), want: autoscale.Sample{Signals: autoscale.SignalBacklog}},
		"an age of 0":           {table: row(int64(0), 0.0), want: autoscale.Sample{Signals: autoscale.SignalBacklog | autoscale.SignalQueueTime}},
		"a negative age":        {table: row(int64(3), -0.25), want: count, detail: "the oldest job's age of -0.25 s was left out"},
		"an endless age":        {table: row(int64(3), math.Inf(1)), want: count, detail: "+Inf s was left out"},
		"NULL":                  {table: row(nil, 1.5), err: "the number of jobs is NULL"},
		"a negative count":      {table: row(int64(-1)), err: "the number of jobs is -1: it must be 0 or more"},
		"no number":             {table: row(math.NaN()), err: "the number of jobs is NaN"},
		"an endless count":      {table: row(math.Inf(1)), err: "the number of jobs is +Inf"},
		"words":                 {table: row("many"), err: "read the row of probe.SQLBacklog.Query, of numbers"},
		"no row":                {table: table{columns: 1}, err: "returns no row"},
		"two rows":              {table: table{columns: 1, rows: [][]driver.Value{{int64(1)}, {int64(2)}}}, err: "more than one row"},
		"no column":             {table: row(), err: "returns 0 columns"},
		"jobs under way":        {table: row(int64(1), 1.5, int64(3)), want: working},
		"under way, none waits": {table: row(int64(0), nil, int64(3)), want: ending},
		"under way below 0":     {table: row(int64(0), nil, int64(-3)), err: "jobs under way is -3"},
		"four columns":          {table: row(int64(1), 1.5, 2.5, 1.), err: "returns 4 columns"},
		"a query that fails":    {table: table{query: broken}, err: "run probe.SQLBacklog.Query", is: broken},
		"nobody there":          {table: table{connect: broken}, err: "run probe.SQLBacklog.Query", is: broken},
		"broken before a row":   {table: table{columns: 1, next: broken}, err: "read the row of probe.SQLBacklog.Query: ", is: broken},
		"broken after the row":  {table: table{columns: 1, rows: [][]driver.Value{{int64(1)}}, next: broken}, err: "read the row of probe.SQLBacklog.Query: ", is: broken},
	} {
		t.Run(name, func(t *testing.T) {
			db := sql.OpenDB(&tt.table)
			defer db.Close()
			p := &probe.SQLBacklog{DB: db, Query: "SELECT", Args: []any{"mail", 7}}
			before := time.Now()
			s, err := p.Probe(t.Context())
			if open := db.Stats(); open.InUse != 0 {
				t.Errorf("%d connections were not given back", open.InUse)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "nothing was measured") || s != (autoscale.Sample{}) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("%+v, %v; want no sample and an error that says %q and is %v", s, err, tt.err, tt.is)
				}
				return
			}
			if s.Time.Before(before) || !strings.Contains(s.Detail, tt.detail) || tt.detail == "" && s.Detail != "" {
				t.Errorf("the time %v, and the detail %q; want %q", s.Time, s.Detail, tt.detail)
			}
			s.Time, s.Detail = time.Time{}, ""
			if err != nil || s != tt.want {
				t.Errorf("%+v, %v; want %+v", s, err, tt.want)
			}
			if len(tt.table.args) != 2 || tt.table.asked != "SELECT" || tt.table.args[0].Value != "mail" {
				t.Errorf("the database was asked %q with %v", tt.table.asked, tt.table.args)
			}
		})
	}
}

func TestSQLBacklogEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(&table{hang: true})
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := &probe.SQLBacklog{DB: db, Query: "SELECT pg_sleep(60)"}
		begin := time.Now()
		if _, err := p.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v, want the deadline exceeded", err, time.Since(begin))
		}
	})
}

// TestSQLBacklogWaitsForAConnection has another user hold the only one.
func TestSQLBacklogWaitsForAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(&table{columns: 1, rows: [][]driver.Value{{int64(3)}}})
		defer db.Close()
		db.SetMaxOpenConns(1)
		p := &probe.SQLBacklog{DB: db, Query: "SELECT"}
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline exceeded", err)
		}
		conn.Close()
		for range 2 {
			if s, err := p.Probe(t.Context()); err != nil || s.Backlog != 3 {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

func TestSQLBacklogValidate(t *testing.T) {
	err := (&probe.SQLBacklog{}).Validate()
	for _, want := range []string{"probe.SQLBacklog.DB is nil", "probe.SQLBacklog.Query is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, probed := (&probe.SQLBacklog{}).Probe(t.Context()); probed == nil || !strings.Contains(probed.Error(), err.Error()) {
		t.Errorf("Probe returned %v", probed)
	}
	db := sql.OpenDB(&table{asked: "secret"})
	defer db.Close()
	p := &probe.SQLBacklog{DB: db, Query: "SELECT 'secret'", Args: []any{"secret"}}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %v", p, p, p, p, &p); strings.Contains(text, "secret") {
		t.Errorf("a secret shows in %q", text)
	}
}
