// Package servertest holds the tests that need real servers and their drivers,
// so that the main module need not require these.
package servertest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
)

// open opens a database that is closed with the test.
func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// newTable returns the name of a table that is dropped with the test.
func newTable(t *testing.T, db *sql.DB) string {
	t.Helper()
	table := "heartbeat_" + strings.ToLower(rand.Text())[:12]
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+table); err != nil {
			t.Errorf("drop the table: %v", err)
		}
	})
	return table
}

// password is that of the role without rights.
const password = "Hunter2-Hunter2"

// database is one of those that SQL works with.
type database struct {
	driver, dsn string
	addr        string                                              // of the server, or empty
	through     func(addr string) string                            // the DSN by way of a proxy
	role        func(t *testing.T, db *sql.DB, table string) string // makes a role without rights to the table and returns its DSN
}

func TestSQL(t *testing.T) {
	for name, start := range map[string]func(*testing.T) database{
		"PostgreSQL": postgres,
		"MySQL":      mariadb,
		"SQLite":     sqlite,
	} {
		t.Run(name, func(t *testing.T) { testSQL(t, start(t)) })
	}
}

func testSQL(t *testing.T, d database) {
	db := open(t, d.driver, d.dsn)

	t.Run("table", func(t *testing.T) {
		table := newTable(t, db)
		check := heartbeat.SQLTable(db, table)
		wantFail(t, "heartbeat.CreateTable", check) // missing

		create(t, db, table)
		for range 50 {
			wantOK(t, check)
		}

		exec(t, db, "DELETE FROM "+table)
		wantFail(t, "call heartbeat.CreateTable", check) // empty

		create(t, db, table)
		exec(t, db, "DELETE FROM "+table+" WHERE id > 3") // fewer than five
		failed := false
		for range 50 { // 3 of 16 ids are there: not one failure is as good as impossible
			mark, log := beat(t, long, check)
			if mark == "fail" {
				failed = true
				if !strings.Contains(log, "call heartbeat.CreateTable") {
					t.Errorf("the log does not say what to do: %s", log)
				}
			}
		}
		if !failed {
			t.Error("nobody noticed that rows are missing")
		}

		create(t, db, table)
		create(t, db, table) // again, which changes nothing
		var rows int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&rows); err != nil || rows != 16 {
			t.Errorf("%d rows, error %v; want 16", rows, err)
		}
		for range 50 {
			wantOK(t, check)
		}
	})

	t.Run("created by many at once", func(t *testing.T) {
		for range 5 {
			table := newTable(t, db)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { create(t, db, table) })
			}
			wg.Wait()
			wantOK(t, heartbeat.SQLTable(db, table))
		}
	})

	t.Run("pool in use", func(t *testing.T) {
		table := newTable(t, db)
		create(t, db, table)
		small := open(t, d.driver, d.dsn)
		small.SetMaxOpenConns(1)
		conn, err := small.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check := heartbeat.SQLTable(small, table)
		wantHang(t, "deadline exceeded", check)
		conn.Close()
		wantOK(t, check)
	})

	if d.role != nil {
		t.Run("role without rights", func(t *testing.T) {
			table := newTable(t, db)
			create(t, db, table)
			weak := open(t, d.driver, d.role(t, db, table))
			wantFail(t, "denied", heartbeat.SQLTable(weak, table))
			err := heartbeat.CreateTable(t.Context(), weak, table)
			if err == nil || !strings.Contains(err.Error(), "denied") || strings.Contains(err.Error(), password) {
				t.Errorf("CreateTable returned %v", err)
			}
		})
	}

	if d.through != nil {
		t.Run("hangs", func(t *testing.T) {
			table := newTable(t, db)
			create(t, db, table)
			p := newProxy(t, d.addr)
			far := open(t, d.driver, d.through(p.Addr))
			check := heartbeat.SQLTable(far, table)
			wantOK(t, check)
			p.Hang(true) // with a connection in the pool, and then without
			wantHang(t, "check=sql", check)
			wantHang(t, "check=sql", check)
			p.Hang(false)
			far = open(t, d.driver, d.through(p.Addr))
			wantOK(t, heartbeat.SQLTable(far, table))
		})
	}

	if d.driver == "sqlite" { // in the others, who reads waits for nobody
		t.Run("locked", func(t *testing.T) {
			table := newTable(t, db)
			create(t, db, table)
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
				t.Fatal(err)
			}
			wantHang(t, "check=sql", heartbeat.SQLTable(db, table))
			if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			wantOK(t, heartbeat.SQLTable(db, table))
		})
	}
}

func create(t *testing.T, db *sql.DB, table string) {
	t.Helper()
	if err := heartbeat.CreateTable(t.Context(), db, table); err != nil {
		t.Error(err)
	}
}

func postgres(t *testing.T) database {
	dsn := servers.Postgres(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the URL of PostgreSQL does not parse")
	}
	return database{
		driver: "pgx", dsn: dsn, addr: u.Host,
		through: func(addr string) string {
			far := *u
			far.Host = addr
			return far.String()
		},
		role: func(t *testing.T, db *sql.DB, table string) string {
			role := table + "_role"
			exec(t, db, "CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'")
			t.Cleanup(func() { db.ExecContext(context.Background(), "DROP ROLE "+role) })
			weak := *u
			weak.User = url.UserPassword(role, password)
			return weak.String()
		},
	}
}

func mariadb(t *testing.T) database {
	dsn := servers.MySQL(t)
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal("the DSN of MySQL does not parse")
	}
	return database{
		driver: "mysql", dsn: dsn, addr: cfg.Addr,
		through: func(addr string) string {
			far := cfg.Clone()
			far.Addr = addr
			return far.FormatDSN()
		},
		role: func(t *testing.T, db *sql.DB, table string) string {
			role := table + "_role"
			exec(t, db, "CREATE USER '"+role+"'@'%' IDENTIFIED BY '"+password+"'")
			t.Cleanup(func() { db.ExecContext(context.Background(), "DROP USER '"+role+"'@'%'") })
			weak := cfg.Clone()
			weak.User, weak.Passwd = role, password
			return weak.FormatDSN()
		},
	}
}

func sqlite(t *testing.T) database {
	file := filepath.Join(t.TempDir(), "heartbeat.db")
	return database{driver: "sqlite", dsn: "file:" + file + "?_pragma=busy_timeout(30000)"}
}

// redisCache is the adapter that the documentation of heartbeat.Cache shows.
type redisCache struct{ client *redis.Client }

func (c redisCache) Get(ctx context.Context, key string) ([]byte, error) {
	return c.client.Get(ctx, key).Bytes()
}

func (c redisCache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return c.client.Set(ctx, key, value, ttl).Err()
}

func TestRedis(t *testing.T) {
	options, err := redis.ParseURL(servers.Redis(t))
	if err != nil {
		t.Fatal("the URL of Redis does not parse")
	}
	p := newProxy(t, options.Addr)
	options.Addr = p.Addr
	for _, ends := range []bool{true, false} {
		options.ContextTimeoutEnabled = ends
		client := redis.NewClient(options)
		t.Cleanup(func() { client.Close() })
		check := heartbeat.Cache(redisCache{client})
		for range 20 {
			wantOK(t, check)
		}
		p.Hang(true)
		if ends {
			wantHang(t, "check=cache", check)
		} else {
			wantHang(t, "it ignores", check) // as the documentation says
		}
		p.Hang(false)
	}

	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	wantOK(t, heartbeat.Cache(redisCache{client}))
	keys, err := client.Keys(t.Context(), "autoscale_heartbeat:*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys %v, error %v", keys, err)
	}
	for _, key := range keys {
		if ttl, err := client.TTL(t.Context(), key).Result(); err != nil || ttl <= 0 || ttl > time.Minute {
			t.Errorf("the key %s expires in %v, error %v; want at most a minute", key, ttl, err)
		}
	}
}

// memcacheCache is the adapter that the documentation of heartbeat.Cache shows.
type memcacheCache struct{ client *memcache.Client }

func (c memcacheCache) Get(_ context.Context, key string) ([]byte, error) {
	item, err := c.client.Get(key)
	if err != nil {
		return nil, err
	}
	return item.Value, nil
}

func (c memcacheCache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	return c.client.Set(&memcache.Item{Key: key, Value: value, Expiration: int32(ttl.Seconds())})
}

func TestMemcached(t *testing.T) {
	p := newProxy(t, servers.Memcached(t))
	client := memcache.New(p.Addr)
	client.Timeout = long
	t.Cleanup(func() { client.Close() })
	check := heartbeat.Cache(memcacheCache{client})
	for range 20 {
		wantOK(t, check)
	}
	p.Hang(true)
	client.Timeout = 100 * time.Millisecond
	wantFail(t, "timeout", check) // the client's own
	client.Timeout = time.Minute
	wantHang(t, "it ignores", check)
	p.Hang(false)
	fresh := memcache.New(p.Addr)
	fresh.Timeout = long
	t.Cleanup(func() { fresh.Close() })
	wantOK(t, heartbeat.Cache(memcacheCache{fresh}))
}

// One process's page on all of them at once, as the package comment shows it.
func TestTogether(t *testing.T) {
	postgres, mariadb, sqlite := postgres(t), mariadb(t), sqlite(t)
	parts := []heartbeat.Part{heartbeat.MaxConcurrent(8), heartbeat.Timeout(long), heartbeat.Disk(t.TempDir())}
	for name, d := range map[string]database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		db := open(t, d.driver, d.dsn)
		table := newTable(t, db)
		create(t, db, table)
		parts = append(parts, heartbeat.SQLTable(db, table).Named(name))
	}
	options, err := redis.ParseURL(servers.Redis(t))
	if err != nil {
		t.Fatal("the URL of Redis does not parse")
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	memcached := memcache.New(servers.Memcached(t))
	memcached.Timeout = long
	t.Cleanup(func() { memcached.Close() })
	parts = append(parts, heartbeat.Cache(redisCache{client}), heartbeat.Cache(memcacheCache{memcached}).Named("memcached"))

	server := httptest.NewServer(heartbeat.Handler(parts...))
	defer server.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				res, err := server.Client().Get(server.URL)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				shares := res.Header.Get("Server-Timing")
				if res.StatusCode != http.StatusOK || strings.Count(shares, ";dur=") != 7 {
					t.Errorf("status %d, Server-Timing %q", res.StatusCode, shares)
				}
			}
		})
	}
	wg.Wait()
}
