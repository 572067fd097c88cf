package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	goredis "github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/internal/cli"
	"github.com/autoscalebot/autoscale/leader"
)

// historyMark separates the name of a lease from what else is kept under it.
const historyMark = "\x1f"

// maxMessage bounds a message of PostgreSQL's protocol, in bytes. pgx makes room for what a
// server announces, and by itself takes up to a gibibyte. A row of the lease has a tenth of
// this at most.
const maxMessage = 1 << 20

// openPostgres opens a PostgreSQL database by its URL.
func openPostgres(text string, _ bool, opts *leader.Options) (cli.Store, error) {
	u, err := url.Parse(text)
	if err != nil {
		return cli.Store{}, errors.New("the URL cannot be read: write it as postgres://user:password@host:5432/database, and %-encode what is special in the password")
	}
	// PgBouncer does not know prepared statements from one transaction to the next.
	q := u.Query()
	if !q.Has("default_query_exec_mode") {
		q.Set("default_query_exec_mode", "exec")
		u.RawQuery = q.Encode()
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil { // its text may hold the password
		return cli.Store{}, errors.New("the driver refuses the URL: check its parameters against the documentation of pgx")
	}
	config.MaxProtocolMessageBodyLen = maxMessage
	return openSQL("pgx", stdlib.RegisterConnConfig(config), leader.Postgres, opts)
}

// openSQLite opens a SQLite database, by sqlite:FILE.
func openSQLite(text string, create bool, opts *leader.Options) (cli.Store, error) {
	file := strings.TrimPrefix(text[len("sqlite:"):], "//")
	file, query, _ := strings.Cut(file, "?")
	switch info, err := os.Stat(file); {
	case file == "":
		return cli.Store{}, errors.New("the URL names no file: write sqlite:FILE, as sqlite:/var/lib/app/data.db")
	case err != nil && !(create && errors.Is(err, fs.ErrNotExist)):
		return cli.Store{}, fmt.Errorf("the database cannot be used: %w: give the file that the service uses", err)
	case err == nil && info.IsDir():
		return cli.Store{}, fmt.Errorf("%s is a folder: give the file that the service uses", file)
	}
	// A database that was mistyped must not be created to look at it.
	mode := "rw"
	if create {
		mode = "rwc"
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: strings.TrimPrefix(query+"&mode="+mode+"&_pragma=busy_timeout(5000)", "&")}
	return openSQL("sqlite", dsn.String(), leader.SQLite, opts)
}

func openSQL(driver, dsn string, dialect leader.Dialect, opts *leader.Options) (cli.Store, error) {
	o := *opts
	o.Dialect = dialect
	return cli.Store{
		Elector: leader.Open(driver, dsn, &o),
		Check:   func(ctx context.Context) error { return check(ctx, driver, dsn) },
		Names:   func(ctx context.Context) ([]string, error) { return names(ctx, driver, dsn) },
	}, nil
}

// check reports a database that has no table of leases: the Elector would create it. What
// is wrong with a database that does not answer, the Elector says, without the dsn.
func check(ctx context.Context, driver, dsn string) (err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return errors.New("the driver refuses the URL")
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if db.PingContext(ctx) != nil {
		return nil
	}
	if _, err := db.ExecContext(ctx, "SELECT name FROM autoscale_lease LIMIT 0"); err != nil {
		return fmt.Errorf("the database answers, but its table autoscale_lease cannot be read (%w): give the database that the service uses, with a user that may read the table", err)
	}
	return nil
}

// names lists leases. Its errors do not show the dsn.
func names(ctx context.Context, driver, dsn string) (all []string, err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, errors.New("the driver refuses the URL")
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT name FROM autoscale_lease ORDER BY name LIMIT 200")
	if err != nil {
		return nil, errors.New("the table autoscale_lease cannot be read")
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, errors.New("the table autoscale_lease has another shape")
		}
		if !strings.Contains(name, historyMark) && len(all) < 100 {
			all = append(all, name)
		}
	}
	return all, rows.Err()
}

// openRedis opens a Redis server by its URL.
func openRedis(text string, _ bool, opts *leader.Options) (cli.Store, error) {
	o, err := goredis.ParseURL(text)
	if err != nil {
		return cli.Store{}, errors.New("the URL cannot be read: write it as redis://user:password@host:6379/0, or rediss:// with TLS")
	}
	goredis.SetLogger(noLog{}) // what fails is said once, by the command
	client := goredis.NewClient(o)
	return cli.Store{
		Elector: redis.New(client, opts),
		Names:   func(ctx context.Context) ([]string, error) { return redisNames(ctx, client) },
	}, nil
}

// noLog drops what the Redis client logs: by default it writes each connection that fails to
// standard error.
type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}

// redisNames looks at the keys of a server in bounded steps.
func redisNames(ctx context.Context, client *goredis.Client) ([]string, error) {
	var all []string
	var cursor uint64
	for range 100 {
		keys, next, err := client.Scan(ctx, cursor, redis.DefaultPrefix+"*", 1000).Result()
		if err != nil {
			return nil, errors.New("the keys of the server cannot be listed")
		}
		for _, k := range keys {
			if name := strings.TrimPrefix(k, redis.DefaultPrefix); !strings.Contains(name, historyMark) && len(all) < 100 {
				all = append(all, name)
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	return all, nil
}
