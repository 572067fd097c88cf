package servertest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/safebuffer"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// await waits until ok, for as long as a slow machine may take.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(2 * time.Minute); !ok(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("it did not come to be that %s", what)
		}
	}
}

func leads(e autoscale.Elector) func() bool {
	return func() bool { _, ok := e.Current(); return ok }
}

// schema returns the URL of the same database in which a new, empty schema comes
// first, so that a test may spoil the table; roles may be named in place of the
// database's owner.
func schema(t testing.TB, dsn, role string) (url string, db *sql.DB) {
	t.Helper()
	name := fmt.Sprintf("lease_%d_%d", time.Now().UnixNano(), leases.Add(1))
	admin := openDB(t, "pgx", dsn)
	must(t, admin, "CREATE SCHEMA "+name)
	t.Cleanup(func() { must(t, admin, "DROP SCHEMA "+name+" CASCADE") })
	return within(t, dsn, role, name), openDB(t, "pgx", within(t, dsn, "", name))
}

func within(t testing.TB, dsn, role, schema string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	if role != "" {
		q.Set("role", role)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func must(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// What will not pass ends Run, with an error that says what to do.
func TestLeaderPermanentFaults(t *testing.T) {
	postgres := servers.Postgres(t)
	admin := openDB(t, "pgx", postgres)
	role := fmt.Sprintf("lease_role_%d", time.Now().UnixNano())
	must(t, admin, "CREATE ROLE "+role)
	t.Cleanup(func() { must(t, admin, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	grant := "GRANT USAGE ON SCHEMA $SCHEMA TO " + role

	create := leader.Postgres.Schema()
	other := func(old, new string) string { return strings.Replace(create, old, new, 1) }
	for name, tc := range map[string]struct {
		role string
		prep []string
		want []string
	}{
		"missing, and no right to create":     {role, []string{grant}, []string{"the table autoscale_lease is missing", "may not create it", create, "grant"}},
		"missing, and no right to the schema": {role, nil, []string{"the table autoscale_lease is missing", "may not create it", create, "grant"}},
		"a type of its name":                  {"", []string{"CREATE TYPE autoscale_lease AS (a int)"}, []string{"not have the right shape", "whatever has this name"}},
		"no right to write":                   {role, []string{grant, create, "GRANT SELECT ON autoscale_lease TO " + role}, []string{"may not use the table autoscale_lease", "SELECT, INSERT and UPDATE"}},
		"no right to read":                    {role, []string{grant, create}, []string{"may not use the table autoscale_lease"}},
		"somebody else's table":               {"", []string{"CREATE TABLE autoscale_lease (id int PRIMARY KEY, owner text)"}, []string{"not have the right shape", create}},
		"no primary key":                      {"", []string{other("name       text PRIMARY KEY", "name text")}, []string{"not have the right shape"}},
		"a column of another type":            {"", []string{other("term       bigint", "term text")}, []string{"not have the right shape"}},
		"one more column that is required":    {"", []string{other("name       text", "team text NOT NULL, name text")}, []string{"not have the right shape"}},
		"a column less":                       {"", []string{other("	saved_at   timestamptz,\n", "")}, []string{"not have the right shape"}},
	} {
		t.Run(name, func(t *testing.T) {
			url, db := schema(t, postgres, tc.role)
			for _, s := range tc.prep {
				var current string
				if err := db.QueryRow("SELECT current_schema()").Scan(&current); err != nil {
					t.Fatal(err)
				}
				must(t, db, strings.ReplaceAll(s, "$SCHEMA", current))
			}
			for _, mode := range []string{"", "&" + execMode, "&default_query_exec_mode=simple_protocol"} {
				e := leader.SQL(openDB(t, "pgx", url+mode), ownLease(t))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := e.Run(ctx)
				cancel()
				if err == nil {
					t.Fatalf("%s: Run did not end by itself", mode)
				}
				for _, want := range tc.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %q is not in %q", mode, want, err)
					}
				}
			}
		})
	}
}

func TestLeaderCreatesTheTable(t *testing.T) {
	postgres := servers.Postgres(t)
	// Which of several errors the losers of the race get depends on how far the
	// winner is, hence the many races.
	t.Run("many at once", func(t *testing.T) {
		const processes = 6
		url, _ := schema(t, postgres, "")
		admin := openDB(t, "pgx", url)
		var dbs [processes]*sql.DB
		for i := range dbs {
			dbs[i] = openDB(t, "pgx", url)
			dbs[i].SetMaxOpenConns(1)
		}
		for range 200 {
			must(t, admin, "DROP TABLE IF EXISTS autoscale_lease")
			start, done := make(chan struct{}), make(chan error, processes)
			for i := range processes {
				go func() {
					<-start
					done <- leader.CreateTable(t.Context(), dbs[i])
				}()
			}
			close(start)
			for range processes {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			must(t, admin, "SELECT count(*) FROM autoscale_lease")
			if t.Failed() {
				return
			}
		}
	})
	t.Run("again while it runs", func(t *testing.T) {
		url, db := schema(t, postgres, "")
		e := leader.SQL(openDB(t, "pgx", url), ownLease(t))
		campaign(t, e)
		await(t, "it leads", leads(e))
		was, _ := e.Current()
		must(t, db, "DROP TABLE autoscale_lease")
		await(t, "it leads again, in a greater term", func() bool { term, ok := e.Current(); return ok && term.Number > was.Number })
	})
	t.Run("sqlite", func(t *testing.T) {
		db := openDB(t, "sqlite", sqliteFile(t))
		for range 2 {
			if err := leader.CreateTable(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		must(t, db, "DROP TABLE autoscale_lease", "CREATE TABLE autoscale_lease (name TEXT, holder TEXT)")
		err := leader.SQL(db, ownLease(t)).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "not have the right shape") {
			t.Errorf("got %v", err)
		}
	})
}

// An unsupported database is recognized.
func TestLeaderOtherDatabase(t *testing.T) {
	db := openDB(t, "mysql", servers.MySQL(t))
	err := leader.SQL(db, ownLease(t)).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "works with PostgreSQL and SQLite") {
		t.Errorf("got %v", err)
	}
}

// A server that turned read-only is left, and one that can be written to is
// found again through the same pool.
func TestLeaderReadOnly(t *testing.T) {
	postgres := servers.Postgres(t)
	admin := openDB(t, "pgx", postgres)
	if err := leader.CreateTable(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprintf("lease_role_%d", time.Now().UnixNano())
	must(t, admin, "CREATE ROLE "+role+" LOGIN SUPERUSER")
	t.Cleanup(func() { must(t, admin, "DROP ROLE "+role) })
	u, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := u.User.Password(); ok {
		t.Skip("the server asks for a password, which the new role does not have")
	}
	u.User = url.User(role)

	var log safebuffer.Buffer
	o := leaseOptions(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	// Connections that begin from now on are read-only, until further notice:
	// those of an old primary are so for ever.
	must(t, admin, "ALTER ROLE "+role+" SET default_transaction_read_only = on")
	db := openDB(t, "pgx", u.String())
	db.SetMaxOpenConns(2)
	e := leader.SQL(db, &o)
	end := campaign(t, e)
	await(t, "it says that the database is read-only", func() bool { return strings.Contains(log.String(), "read-only: nobody can lead") })
	must(t, admin, "ALTER ROLE "+role+" RESET default_transaction_read_only")
	await(t, "it leads on a new connection", leads(e))
	if err := e.Save(t.Context(), number(e), []byte("state")); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func number(e autoscale.Elector) int64 { term, _ := e.Current(); return term.Number }

// SQLite's file may be one that cannot be written to.
func TestLeaderReadOnlySQLite(t *testing.T) {
	dsn := sqliteFile(t)
	if err := leader.CreateTable(t.Context(), openDB(t, "sqlite", dsn)); err != nil {
		t.Fatal(err)
	}
	var log safebuffer.Buffer
	o := leaseOptions(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	campaign(t, leader.SQL(openDB(t, "sqlite", dsn+"&_pragma=query_only(1)"), &o))
	await(t, "it says that the database is read-only", func() bool { return strings.Contains(log.String(), "read-only") })
}

// A leader whose connections are killed goes on in its term.
func TestLeaderConnectionKilled(t *testing.T) {
	postgres := servers.Postgres(t)
	admin := openDB(t, "pgx", postgres)
	for _, mode := range []string{"", "&" + execMode} {
		o := leaseOptions(t)
		name := fmt.Sprintf("lease-%d", leases.Add(1))
		e := leader.SQL(openDB(t, "pgx", postgres+mode+"&application_name="+name), &o)
		end := campaign(t, e)
		await(t, "it leads", leads(e))
		first, _ := e.Current()
		for range 5 {
			must(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+name+"'")
			was, _ := e.Current()
			await(t, "it renews", func() bool { term, ok := e.Current(); return ok && term.Until.After(was.Until.Add(2*leaderRenew)) })
		}
		if n := number(e); n != first.Number {
			t.Errorf("term %d became %d", first.Number, n)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

// A database that is away for longer than the TTL has a leader again soon after.
// Through the proxy the server is as good as stopped: what is refused differs
// from what is swallowed, which the suite has.
func TestLeaderServerAway(t *testing.T) {
	postgres := servers.Postgres(t)
	p := newProxy(t, addr(t, postgres))
	dsn := via(t, postgres, p.Addr)
	o := shortLease(t)
	first, second := leader.SQL(openDB(t, "pgx", dsn), &o), leader.SQL(openDB(t, "pgx", dsn), &o)
	campaign(t, first)
	campaign(t, second)
	led := func() bool { return leads(first)() || leads(second)() }
	await(t, "one leads", led)
	for range 3 {
		was := max(number(first), number(second))
		p.Hang(true)
		await(t, "nobody leads", func() bool { return !led() })
		p.Hang(false)
		await(t, "one leads again", led)
		if now := max(number(first), number(second)); now != 0 && now < was {
			t.Errorf("term %d after %d", now, was)
		}
	}
}

// Fifty contend; the leader is stopped five times.
func TestLeaderFifty(t *testing.T) {
	postgres := servers.Postgres(t)
	db := openDB(t, "pgx", postgres) // one pool of few connections
	db.SetMaxOpenConns(8)
	o := leaseOptions(t)
	var electors []*leader.Elector
	var ends []func() error
	for range 50 {
		e := leader.SQL(db, &o)
		electors, ends = append(electors, e), append(ends, campaign(t, e))
	}
	var last int64
	for range 5 {
		leading := -1
		await(t, "one leads", func() bool {
			for i, e := range electors {
				if term, ok := e.Current(); ok && term.Number > last {
					leading, last = i, term.Number
					return true
				}
			}
			return false
		})
		if err := ends[leading](); err != nil {
			t.Error(err)
		}
		electors, ends = append(electors[:leading:leading], electors[leading+1:]...), append(ends[:leading:leading], ends[leading+1:]...)
	}
	var terms, rows int64
	if err := db.QueryRow("SELECT max(term), count(*) FROM autoscale_lease WHERE name = $1", o.Name).Scan(&terms, &rows); err != nil {
		t.Fatal(err)
	}
	if terms < last || rows != 1 {
		t.Errorf("the row has term %d after %d, in %d rows", terms, last, rows)
	}
}

// Behind an old PgBouncer, pgx's default of preparing statements fails. It must
// say what to do, and lead no two.
func TestLeaderPgBouncerPreparing(t *testing.T) {
	postgres := servers.Postgres(t)
	pooled := servers.PgBouncer(t, postgres)
	o := leaseOptions(t)
	var log safebuffer.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	electors := make([]*leader.Elector, 6)
	for i := range electors {
		electors[i] = leader.SQL(openDB(t, "pgx", pooled), &o)
		campaign(t, electors[i])
	}
	hinted := func() bool { return strings.Contains(log.String(), "default_query_exec_mode=exec") }
	settled := time.Now().Add(20 * time.Second)
	await(t, "it says what to do, or the pooler can do it", func() bool {
		var first, second *leader.Elector
		for _, e := range electors {
			if leads(e)() {
				first, second = e, first
			}
		}
		// The second of them led when the first was asked, if it still does.
		if second != nil && leads(second)() {
			t.Fatal("two lead")
		}
		return hinted() || first != nil && time.Now().After(settled)
	})
	t.Logf("the hint was given: %v", hinted())
}

// No error holds the password of a URL.
func TestLeaderErrorsHoldNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://owner:" + password + "@127.0.0.1:1/shop?sslmode=disable",
		"postgres://owner:" + password + "@no-such-host.invalid/shop",
	} {
		db := openDB(t, "pgx", dsn)
		err := leader.CreateTable(t.Context(), db)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), password) {
			t.Errorf("got %v", err)
		}
	}
}

// A pool that is used up must not keep a context from ending a call.
func TestLeaderPoolUsedUp(t *testing.T) {
	db := openDB(t, "sqlite", sqliteFile(t))
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := leader.SQL(db, ownLease(t))
	end := campaign(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Command(ctx, []byte("pause")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	conn.Close()
	await(t, "it leads", leads(e))
	if err := e.Command(t.Context(), bytes.Repeat([]byte("x"), 10)); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
