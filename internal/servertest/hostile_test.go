package servertest

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/probe"
)

// A sqlDoor is a way by which the library asks a database.
type sqlDoor struct {
	name   string
	driver string // empty: every one
	call   func(ctx context.Context, driver, dsn string) error
}

// onPool returns a call that uses a pool of its own.
func onPool(f func(ctx context.Context, db *sql.DB) error) func(context.Context, string, string) error {
	return func(ctx context.Context, driver, dsn string) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer func() { go db.Close() }() // which waits for the driver
		return f(ctx, db)
	}
}

func hostileLease(d leader.Dialect) *leader.Options {
	return &leader.Options{Name: "web", Dialect: d, TTL: 3 * time.Second, Logger: quiet}
}

// electing has e do all that asks the store.
func electing(ctx context.Context, e *leader.Elector) error {
	_, err := e.History(ctx)
	return errors.Join(e.Run(ctx), e.Command(ctx, []byte("pause")), e.Refresh(ctx), err)
}

// sqlDoors has a line for each part of the library that asks a database.
var sqlDoors = []sqlDoor{
	{"leader.SQL", "pgx", onPool(func(ctx context.Context, db *sql.DB) error { return electing(ctx, leader.SQL(db, hostileLease(""))) })},
	{"leader.SQL of a Dialect", "pgx", onPool(func(ctx context.Context, db *sql.DB) error {
		return electing(ctx, leader.SQL(db, hostileLease(leader.Postgres)))
	})},
	{"leader.Open", "pgx", func(ctx context.Context, driver, dsn string) error {
		return electing(ctx, leader.Open(driver, dsn, hostileLease("")))
	}},
	{"leader.CreateTable", "pgx", onPool(leader.CreateTable)},
	{"leader.MetricsBoard", "pgx", onPool(func(ctx context.Context, db *sql.DB) error {
		b := leader.MetricsBoard(db, hostileLease(""))
		_, err := b.Read(ctx, time.Minute)
		return errors.Join(err, b.Publish(ctx, "web.1", []byte("report")))
	})},
	{"probe.SQLBacklog", "", onPool(func(ctx context.Context, db *sql.DB) error {
		_, err := (&probe.SQLBacklog{DB: db, Query: "SELECT 1"}).Probe(ctx)
		return err
	})},
	{"heartbeat.SQL", "", onPool(func(ctx context.Context, db *sql.DB) error {
		w := httptest.NewRecorder()
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.SQL(db), heartbeat.Logger(quiet))
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		if w.Code == 200 {
			return nil
		}
		return fmt.Errorf("status %d %s: %s", w.Code, w.Header(), w.Body)
	})},
	{"heartbeat.CreateTable", "", onPool(func(ctx context.Context, db *sql.DB) error {
		return heartbeat.CreateTable(ctx, db, heartbeat.DefaultTable)
	})},
}

// message is a message of PostgreSQL's protocol.
func message(kind byte, body string) string {
	return string(kind) + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
}

// postgresStages are a conversation with a server that answers the first query.
var postgresStages = []hostiletest.Stage{
	{Name: "start", Reply: message('R', "\x00\x00\x00\x00") + message('S', "standard_conforming_strings\x00on\x00") +
		message('S', "client_encoding\x00UTF8\x00") + message('Z', "I")},
	{Name: "first query", Reply: message('T', "\x00\x01version\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00") +
		message('D', "\x00\x01\x00\x00\x00\x0dPostgreSQL 16") + message('C', "SELECT 1\x00") + message('Z', "I")},
	{Name: "second query"},
}

var postgresActs = []hostiletest.Act{
	hostiletest.Once("a long ErrorResponse", message('E', "SERROR\x00C42501\x00M"+strings.Repeat("long \x1b[31m", 50_000)+"\x00\x00")+message('Z', "I")),
	hostiletest.Once("a FATAL ErrorResponse", message('E', "SFATAL\x00C57P01\x00Mbye\x00\x00")),
	hostiletest.Endless("endless NoticeResponses", message('N', "SNOTICE\x00C00000\x00Mx\x00\x00")),
	hostiletest.Endless("endless ReadyForQuery", message('Z', "I")),
	hostiletest.Endless("endless DataRows", message('D', "\x00\x01\x00\x00\x00\x011")),
	hostiletest.Once("a row of 65535 columns", message('T', "\xff\xff")),
	hostiletest.Once("half a message", "T\x00\x00\x10\x00half"),
	hostiletest.Slow("a slow message", message('N', "SNOTICE\x00C00000\x00Ma notice that takes its time\x00\x00")),
	hostiletest.Once("authentication of no kind", message('R', "\x00\x00\x00\x63")),
}

// harmless removes what PostgreSQL's protocol reads as a message of up to two gigabytes. pgx
// makes room for it at once, which is the driver's and says nothing about the library.
func harmless(behaviors []hostiletest.Behavior) []hostiletest.Behavior {
	return slices.DeleteFunc(behaviors, func(b hostiletest.Behavior) bool {
		_, act, _ := strings.Cut(b.Name, ": ")
		return slices.Contains([]string{
			"slow bytes", "slow lines", "an endless line", "endless lines", "a status of 999", "a status that is none", "a long error and close", "a TLS alert", "HTTP",
		}, act)
	})
}

// Each call to a database ends at its deadline and when its context ends, and says what is
// wrong on short lines, whatever the server does.
func TestEachCallToADatabaseEnds(t *testing.T) {
	if err := mysql.SetLogger(log.New(io.Discard, "", 0)); err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, 48)
	var wg sync.WaitGroup
	for driver, server := range map[string]struct {
		dsn       string
		behaviors []hostiletest.Behavior
	}{
		"pgx": {"postgres://owner:" + password + "@%s/shop?sslmode=disable&default_query_exec_mode=simple_protocol", harmless(hostiletest.Scripts(postgresStages, postgresActs...))},
		"mysql": {"owner:" + password + "@tcp(%s)/shop", hostiletest.Scripts([]hostiletest.Stage{{Name: "greeting", Until: hostiletest.First}},
			hostiletest.Once("a long packet", "\xff\xff\xff\x00\x0a"),
			hostiletest.Once("an error", "\x17\x00\x00\x00\xff\x10\x04Too many connections"))},
	} {
		for _, b := range server.behaviors {
			hostile := hostiletest.Serve(b)
			t.Cleanup(hostile.Close)
			dsn := fmt.Sprintf(server.dsn, strings.TrimPrefix(hostile.URL, "http://"))
			for _, d := range sqlDoors {
				if d.driver != "" && d.driver != driver {
					continue
				}
				wg.Go(func() {
					room <- struct{}{}
					defer func() { <-room }()
					hostiletest.Ends(t, d.name+" by "+driver+": "+b.Name, password, func(ctx context.Context) error { return d.call(ctx, driver, dsn) })
				})
			}
		}
	}
	wg.Wait()
}
