package heartbeat_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/safebuffer"
)

// get requests h once; each header is "Name: value".
func get(h http.Handler, headers ...string) *httptest.ResponseRecorder {
	return do(h, httptest.NewRequest(http.MethodGet, "/autoscalebot/heartbeat/", nil), headers...)
}

func do(h http.Handler, r *http.Request, headers ...string) *httptest.ResponseRecorder {
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantAnswer checks a status and the mark that goes with it.
func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, mark string) {
	t.Helper()
	if got := w.Header().Get("Autoscale-Heartbeat"); w.Code != status || got != mark {
		t.Errorf("answer is %d %q, want %d %q", w.Code, got, status, mark)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q, want no-store", got)
	}
}

func succeed(context.Context) error { return nil }

// log is what a logger wrote.
type log struct{ safebuffer.Buffer }

func (l *log) lines() int { return strings.Count(l.String(), "\n") }

func newLog() (*log, *slog.Logger) {
	l := new(log)
	return l, slog.New(slog.NewTextHandler(l, nil))
}

var quiet = slog.New(slog.DiscardHandler)

// sleep ignores its context; for synctest bubbles.
func sleep(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// hang waits until its context ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// fakeDB is a database driver whose every statement is answered by the func:
// the single value of a single row, nil for no row, or an error.
type fakeDB func(ctx context.Context, statement string) (any, error)

func (f fakeDB) open() *sql.DB { return sql.OpenDB(f) }

func (f fakeDB) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }
func (f fakeDB) Driver() driver.Driver                        { return nil }

type fakeConn struct{ answer fakeDB }

func (c fakeConn) QueryContext(ctx context.Context, statement string, _ []driver.NamedValue) (driver.Rows, error) {
	v, err := c.answer(ctx, statement)
	if err != nil {
		return nil, err
	}
	return &fakeRows{v}, nil
}

func (c fakeConn) ExecContext(ctx context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	_, err := c.answer(ctx, statement)
	return driver.RowsAffected(0), err
}

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("not used") }
func (c fakeConn) Close() error                        { return nil }

type fakeRows struct{ value any }

func (r *fakeRows) Columns() []string { return []string{"value"} }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if r.value == nil {
		return io.EOF
	}
	dest[0], r.value = r.value, nil
	return nil
}
