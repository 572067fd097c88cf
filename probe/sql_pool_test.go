package probe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/probe"
)

// endless is a driver whose connections do nothing.
type endless struct{}

func (endless) Connect(context.Context) (driver.Conn, error) { return endless{}, nil }
func (endless) Driver() driver.Driver                        { return nil }
func (endless) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (endless) Close() error                                 { return nil }
func (endless) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }

func requests() autoscale.Prober {
	return autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{Signals: autoscale.SignalBusy, Busy: 4}, nil
	})
}

// Three callers share one connection, and each keeps it for a second: two wait at any moment.
func TestSQLPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(endless{})
		defer db.Close()
		db.SetMaxOpenConns(1)
		p := &probe.SQLPool{Prober: requests(), DB: db}
		look := func() float64 {
			s, err := p.Probe(t.Context())
			if err != nil || s.Busy != 4 {
				t.Fatal(s, err)
			}
			return s.PoolWaiting
		}
		if n := look(); n != 0 {
			t.Errorf("at first %v wait", n)
		}
		ctx, stop := context.WithCancel(t.Context())
		for range 3 {
			go func() {
				for ctx.Err() == nil {
					if conn, err := db.Conn(ctx); err == nil {
						time.Sleep(time.Second)
						conn.Close()
					}
				}
			}()
		}
		time.Sleep(10*time.Second + time.Millisecond)
		look() // waits that are not over do not count yet
		// database/sql lets any of those who wait go first, so that some wait long.
		time.Sleep(1000 * time.Second)
		if n := look(); n < 1.9 || n > 2.1 {
			t.Errorf("%v wait on average, want 2", n)
		}
		stop()
		time.Sleep(5 * time.Second)
		look()
		time.Sleep(30 * time.Second)
		if n := look(); n != 0 {
			t.Errorf("in peace %v wait", n)
		}
	})
}

func TestSQLPoolIsAWrapper(t *testing.T) {
	db := sql.OpenDB(endless{})
	defer db.Close()
	inner := &probe.HTTP{URL: "http://example.com"}
	p := &probe.SQLPool{Prober: inner, DB: db}
	if got, ok := part.As[autoscale.IdleCloser](autoscale.Prober(p)); !ok || got != inner {
		t.Errorf("what it wraps is not found: %v", got)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := new(probe.SQLPool).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "SQLPool.Prober is nil") || !strings.Contains(err.Error(), "SQLPool.DB is nil") {
		t.Errorf("got %v", err)
	}
	for _, faulty := range []autoscale.Prober{&probe.HTTP{}, struct{ autoscale.Prober }{&probe.HTTP{}}} {
		if err := (&probe.SQLPool{Prober: faulty, DB: db}).Validate(); err == nil {
			t.Errorf("a fault of the Prober is not reported: %T", faulty)
		}
	}
}

func ExampleSQLPool() {
	db := sql.OpenDB(endless{}) // the pool that the service uses
	defer db.Close()
	db.SetMaxOpenConns(10)

	// In a service: Prober: traffic.New(nil).
	p := &probe.SQLPool{Prober: requests(), DB: db}
	s, err := p.Probe(context.Background())
	fmt.Println(s, err)
	fmt.Println("callers that waited for a connection:", s.PoolWaiting)
	// Output:
	// busy 4 <nil>
	// callers that waited for a connection: 0
}
