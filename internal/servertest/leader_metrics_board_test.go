package servertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// ago moves a report into the past, or with a negative number into the future.
var ago = map[leader.Dialect]string{
	leader.Postgres: "UPDATE autoscale_report SET published_at = published_at - $1::bigint * interval '1 millisecond' WHERE member = $2::text AND name = $3::text",
	leader.SQLite:   "UPDATE autoscale_report SET published_at = published_at - ?1 WHERE member = ?2 AND name = ?3",
}

func TestMetricsBoard(t *testing.T) {
	postgres := servers.Postgres(t)
	for name, s := range map[string]struct {
		dialect     leader.Dialect
		driver, dsn string
	}{
		"postgres":         {leader.Postgres, "pgx", postgres},
		"postgres, simple": {leader.Postgres, "pgx", postgres + "&default_query_exec_mode=simple_protocol"},
		"pgbouncer":        {leader.Postgres, "pgx", servers.PgBouncer(t, postgres) + "&" + execMode},
		"sqlite":           {leader.SQLite, "sqlite", sqliteFile(t)},
	} {
		t.Run(name, func(t *testing.T) {
			db := openDB(t, s.driver, s.dsn)
			o := leader.Options{Name: t.Name()}
			one, two := leader.MetricsBoard(db, &o), leader.MetricsBoard(openDB(t, s.driver, s.dsn), &o)
			other := leader.MetricsBoard(db, &leader.Options{Name: t.Name() + "/other", Dialect: s.dialect})
			publish := func(b traffic.MetricsBoard, member, data string) {
				t.Helper()
				if err := b.Publish(t.Context(), member, []byte(data)); err != nil {
					t.Fatal(err)
				}
			}
			read := func(b traffic.MetricsBoard, want ...string) {
				t.Helper()
				reports, err := b.Read(t.Context(), time.Hour)
				var got []string
				for _, s := range reports {
					got = append(got, s.Member+"="+string(s.Data))
					if s.Age < 0 || s.Age > time.Hour {
						t.Errorf("%s is %v old", s.Member, s.Age)
					}
				}
				if slices.Sort(got); err != nil || !slices.Equal(got, want) {
					t.Errorf("%q, %v; want %q", got, err, want)
				}
			}
			move := func(member string, d time.Duration) {
				t.Helper()
				if _, err := db.ExecContext(t.Context(), ago[s.dialect], d.Milliseconds(), member, o.Name); err != nil {
					t.Fatal(err)
				}
			}
			read(one) // there is no table yet, on the first of them
			publish(one, "a", "\x00\xff'1")
			publish(two, "b", "2")
			publish(other, "c", "3")
			read(one, "a=\x00\xff'1", "b=2")
			read(two, "a=\x00\xff'1", "b=2")
			read(other, "c=3")
			publish(one, "a", "4")
			read(two, "a=4", "b=2")
			publish(two, "b", "")
			publish(two, "nobody", "")
			read(one, "a=4")

			// Ages are the server's, and the youngest comes first.
			publish(two, "b", "5")
			move("a", 20*time.Second)
			reports, err := one.Read(t.Context(), 25*time.Second)
			if err != nil || len(reports) != 2 || reports[0].Member != "b" || reports[1].Age < 20*time.Second {
				t.Errorf("%+v, %v", reports, err)
			}
			move("a", 5*time.Second)
			if reports, err := one.Read(t.Context(), 25*time.Second); err != nil || len(reports) != 1 || reports[0].Member != "b" {
				t.Errorf("%+v, %v: want b alone", reports, err)
			}
			publish(one, "a", "6")
			move("b", -time.Minute) // the server's clock was set back
			read(one, "a=6")

			// A process that starts sweeps out what is dead, of every name.
			count := func() (n int) {
				t.Helper()
				if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM autoscale_report WHERE name = '"+o.Name+"' OR name LIKE '"+o.Name+"/%'").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			move("a", 11*time.Minute)
			move("b", -11*time.Minute)
			publish(other, "c", "7") // it has swept before
			if n := count(); n != 3 {
				t.Errorf("%d rows, want 3", n)
			}
			publish(leader.MetricsBoard(db, &leader.Options{Name: o.Name + "/new"}), "d", "8")
			if n := count(); n != 2 {
				t.Errorf("%d rows, want those of c and d", n)
			}

			big := make([]byte, traffic.MaxReportSize+1)
			if err := one.Publish(t.Context(), "a", big); err == nil || !strings.Contains(err.Error(), "2049 bytes") {
				t.Errorf("too large: %v", err)
			}
			if err := one.Publish(t.Context(), "a", big[1:]); err != nil {
				t.Error(err)
			}
		})
	}
}

// No more than so many are read, however many there are.
func TestMetricsBoardOfMany(t *testing.T) {
	for driver, dsn := range map[string]string{"pgx": servers.Postgres(t), "sqlite": sqliteFile(t)} {
		db := openDB(t, driver, dsn)
		b := leader.MetricsBoard(db, &leader.Options{Name: t.Name()})
		if err := b.Publish(t.Context(), "first", []byte{1}); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for i := range traffic.MaxReports + 10 {
			rows = append(rows, fmt.Sprintf("('%s', 'm%d', '1', (SELECT published_at FROM autoscale_report WHERE name = '%[1]s' AND member = 'first'))", t.Name(), i))
		}
		cast := strings.NewReplacer("'1',", map[string]string{"pgx": "'1'::bytea,", "sqlite": "'1',"}[driver])
		if _, err := db.ExecContext(t.Context(), "INSERT INTO autoscale_report (name, member, data, published_at) VALUES "+cast.Replace(strings.Join(rows, ","))); err != nil {
			t.Fatal(err)
		}
		reports, err := b.Read(t.Context(), time.Hour)
		if err != nil || len(reports) != traffic.MaxReports {
			t.Errorf("%s: %d reports, %v; want %d", driver, len(reports), err, traffic.MaxReports)
		}
	}
}

// A process publishes and reads from several goroutines, and some of them at once
// make the table.
func TestMetricsBoardConcurrently(t *testing.T) {
	fresh, _ := schema(t, servers.Postgres(t), "")
	for driver, dsn := range map[string]string{"pgx": fresh, "sqlite": sqliteFile(t)} {
		db := openDB(t, driver, dsn)
		var wg sync.WaitGroup
		for i := range 4 {
			b := leader.MetricsBoard(db, nil)
			for j := range 4 {
				wg.Go(func() {
					if err := b.Publish(t.Context(), fmt.Sprint(i, j), []byte{1}); err != nil {
						t.Errorf("%s: %v", driver, err)
					}
					if _, err := b.Read(t.Context(), time.Minute); err != nil {
						t.Errorf("%s: %v", driver, err)
					}
				})
			}
		}
		wg.Wait()
		if reports, err := leader.MetricsBoard(db, nil).Read(t.Context(), time.Hour); err != nil || len(reports) != 16 {
			t.Errorf("%s: %d reports, %v; want 16", driver, len(reports), err)
		}
	}
}

// A database that hangs holds nobody longer than the context, also one who waits
// for another's call.
func TestMetricsBoardHangs(t *testing.T) {
	dsn := servers.Postgres(t)
	p := newProxy(t, addr(t, dsn))
	b := leader.MetricsBoard(openDB(t, "pgx", via(t, dsn, p.Addr)), &leader.Options{Name: t.Name()})
	if err := b.Publish(t.Context(), "a", []byte{1}); err != nil {
		t.Fatal(err)
	}
	p.Hang(true)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := b.Read(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(fmt.Sprint(err), "timeout") {
				t.Errorf("%v, want that the deadline was exceeded", err)
			}
		})
	}
	wg.Wait()
	p.Hang(false)
	if reports, err := b.Read(t.Context(), time.Minute); err != nil || len(reports) != 1 {
		t.Errorf("afterwards: %+v, %v", reports, err)
	}
}

// The faults are those of the lease, in the board's own words.
func TestMetricsBoardFaults(t *testing.T) {
	postgres := servers.Postgres(t)
	server := openDB(t, "pgx", postgres)
	role := fmt.Sprintf("board_role_%d", time.Now().UnixNano())
	must(t, server, "CREATE ROLE "+role)
	t.Cleanup(func() { must(t, server, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	dsn, admin := schema(t, postgres, role)
	var name string
	if err := admin.QueryRowContext(t.Context(), "SELECT current_schema()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	must(t, admin, "GRANT USAGE ON SCHEMA "+name+" TO "+role)
	b := leader.MetricsBoard(openDB(t, "pgx", dsn), nil)
	fails := func(b traffic.MetricsBoard, want ...string) {
		t.Helper()
		err := b.Publish(t.Context(), "a", []byte{1})
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v, want %q", err, w)
			}
		}
	}
	fails(b, "the table autoscale_report is missing, and this role may not create it", "SELECT, INSERT, UPDATE and DELETE", leader.Postgres.MetricsBoardSchema())
	must(t, admin, leader.Postgres.MetricsBoardSchema())
	fails(b, "leader: publish a report: this role may not use the table autoscale_report: grant it SELECT, INSERT, UPDATE and DELETE")
	must(t, admin, "GRANT SELECT, INSERT, UPDATE, DELETE ON autoscale_report TO "+role)
	if err := b.Publish(t.Context(), "a", []byte{1}); err != nil {
		t.Errorf("with exactly these rights: %v", err)
	}
	fails(leader.MetricsBoard(openDB(t, "pgx", dsn+"&default_transaction_read_only=on"), nil), "the database is read-only: nothing is published until")
	must(t, admin, "DROP TABLE autoscale_report", "CREATE TABLE autoscale_report (name text)", "GRANT ALL ON autoscale_report TO "+role)
	fails(b, "the table autoscale_report does not have the right shape", leader.Postgres.MetricsBoardSchema())
}

// Three processes that serve real requests, each over its own connections: the
// leader sees what all of them did.
func TestSharedTraffic(t *testing.T) {
	dsn := servers.Postgres(t)
	var all []*traffic.Shared
	for i := range 3 {
		s := &traffic.Shared{
			Traffic: traffic.New(&traffic.Options{Window: time.Second}), Interval: time.Second, Logger: quiet,
			MetricsBoard: leader.MetricsBoard(openDB(t, "pgx", dsn), &leader.Options{Name: t.Name()}), Member: fmt.Sprintf("web.%d", i+1),
		}
		server := httptest.NewServer(s.Traffic.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		t.Cleanup(server.Close)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				if res, err := server.Client().Get(server.URL); err == nil {
					res.Body.Close()
				}
			}
		})
		t.Cleanup(func() { cancel(); wg.Wait() })
		all = append(all, s)
	}
	await(t, "the sum is of three processes", func() bool {
		s, err := all[0].Probe(t.Context())
		return err == nil && s.Processes == 3 && s.Detail == "" && s.Throughput > 0 && s.ServiceTime > 0
	})
}

func TestMetricsBoardValidate(t *testing.T) {
	db := openDB(t, "sqlite", sqliteFile(t))
	for want, options := range map[string]leader.Options{
		"":                       {Name: "quiet-river/web"},
		"Name is":                {Name: "\x00"},
		"Dialect is \"oracle\"":  {Dialect: "oracle"},
		"the *sql.DB is nil: op": {Name: "nil"},
	} {
		given := db
		if options.Name == "nil" {
			given = nil
		}
		b := leader.MetricsBoard(given, &options)
		_, err := b.Read(t.Context(), time.Minute)
		if (err != nil) != (want != "") || !strings.Contains(fmt.Sprint(err), want) && want != "" {
			t.Errorf("%v, want %q", err, want)
		}
		if v := b.(interface{ Validate() error }).Validate(); fmt.Sprint(v) != fmt.Sprint(err) {
			t.Errorf("Validate: %v, want %v", v, err)
		}
	}
}
