package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// cache is a GetSetter that can be made to fail.
type cache struct {
	mu     sync.Mutex
	values map[string]string
	ttls   map[time.Duration]bool
	setErr error
	getErr error
	stale  bool
}

func newCache() *cache {
	return &cache{values: map[string]string{}, ttls: map[time.Duration]bool{}}
}

func (c *cache) Get(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		return []byte("an earlier value"), nil
	}
	return []byte(c.values[key]), c.getErr
}

func (c *cache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] = string(value)
	c.ttls[ttl] = true
	return c.setErr
}

type mapCache map[string][]byte

func (mapCache) Get(context.Context, string) ([]byte, error) { return nil, nil }

func (mapCache) Set(context.Context, string, []byte, time.Duration) error { return nil }

func TestCache(t *testing.T) {
	c := newCache()
	h := heartbeat.Handler(heartbeat.Cache(c))
	for range 100 {
		wantAnswer(t, get(h), http.StatusOK, "ok")
	}
	if len(c.values) != 100 {
		t.Errorf("%d keys after 100 heartbeats: want a new one each, so that a reply is not an earlier one", len(c.values))
	}
	if len(c.ttls) != 1 || !c.ttls[time.Minute] {
		t.Errorf("the times to live are %v, want one minute", c.ttls)
	}
	distinct := make(map[string]bool)
	for value := range maps.Values(c.values) {
		distinct[value] = true
	}
	if len(distinct) != 100 {
		t.Errorf("%d values after 100 heartbeats", len(distinct))
	}
}

func TestCacheFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*cache)
		want string
	}{
		{"set", func(c *cache) { c.setErr = errors.New("read-only replica") }, "set a key: read-only replica"},
		{"get", func(c *cache) { c.getErr = errors.New("no such key") }, "get the key that was just set: no such key"},
		{"another value", func(c *cache) { c.stale = true }, "another value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, logger := newLog()
			c := newCache()
			tt.set(c)
			wantAnswer(t, get(heartbeat.Handler(heartbeat.Cache(c), heartbeat.Logger(logger))), http.StatusServiceUnavailable, "fail")
			if !strings.Contains(log.String(), "check=cache") || !strings.Contains(log.String(), tt.want) {
				t.Errorf("the log lacks %q: %s", tt.want, log)
			}
		})
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	h := heartbeat.Handler(heartbeat.Disk(dir), heartbeat.MaxConcurrent(50))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { wantAnswer(t, get(h), http.StatusOK, "ok") })
	}
	wg.Wait()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%d files are left, error %v", len(left), err)
	}

	log, logger := newLog()
	missing := filepath.Join(dir, "missing")
	h = heartbeat.Handler(heartbeat.Disk(missing), heartbeat.Logger(logger))
	wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
	if !strings.Contains(log.String(), "check=disk") || !strings.Contains(log.String(), missing) {
		t.Errorf("the log does not say which directory: %s", log)
	}
	if err := os.Mkdir(missing, 0o700); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, get(h), http.StatusOK, "ok") // it need not exist from the start
}

func TestSQL(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]int)
	db := fakeDB(func(_ context.Context, statement string) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[statement]++
		return "Beat", nil
	}).open()
	defer db.Close()
	h := heartbeat.Handler(heartbeat.SQL(db), heartbeat.SQLTable(db, "ops.beat").Named("replica"))
	for range 1000 {
		wantAnswer(t, get(h), http.StatusOK, "ok")
	}
	if len(seen) != 32 {
		t.Errorf("1000 heartbeats used %d statements, want one for each of 16 rows in 2 tables: %v", len(seen), seen)
	}
	form := regexp.MustCompile(`^SELECT beat FROM (autoscale_heartbeat|ops\.beat) WHERE id = ([1-9]|1[0-6])$`)
	for statement := range seen {
		if !form.MatchString(statement) {
			t.Errorf("unexpected statement %q", statement)
		}
	}
}

func TestSQLFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer fakeDB
		want   string
	}{
		{"no row", func(context.Context, string) (any, error) { return nil, nil }, "call heartbeat.CreateTable"},
		{"empty row", func(context.Context, string) (any, error) { return "", nil }, "is empty"},
		{"error", func(context.Context, string) (any, error) { return nil, errors.New("relation does not exist") }, "relation does not exist"},
		{"hangs", func(ctx context.Context, _ string) (any, error) { return nil, hang(ctx) }, "context deadline exceeded"},
		{"hangs and is deaf", func(context.Context, string) (any, error) { time.Sleep(time.Minute); return "Beat", nil }, "no result within 910ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, logger := newLog()
				db := tt.answer.open()
				defer db.Close()
				start := time.Now()
				h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.SQL(db), heartbeat.Logger(logger))
				wantAnswer(t, get(h, "Autoscale-Timeout-Ms: 1000"), http.StatusServiceUnavailable, "fail")
				if got := time.Since(start); got >= time.Second {
					t.Errorf("answered after %v, when the prober has given up", got)
				}
				if !strings.Contains(log.String(), "check=sql") || !strings.Contains(log.String(), tt.want) {
					t.Errorf("the log lacks %q: %s", tt.want, log)
				}
				time.Sleep(time.Minute) // the deaf one ends
			})
		})
	}
}

func TestCreateTable(t *testing.T) {
	collision := errors.New("duplicate key value")
	for _, tt := range []struct {
		name    string
		count   []any // what each SELECT COUNT is answered, nil: an error
		fail    map[string]int
		want    string // what was executed
		wantErr bool
	}{
		{"complete", []any{16}, nil, "", false},
		{"missing", []any{nil}, nil, "CREATE INSERT", false},
		{"rows are missing", []any{3}, nil, "CREATE INSERT", false},
		{"lost the race to create", []any{nil, 16}, map[string]int{"CREATE": 1}, "CREATE", false},
		{"lost the race to insert", []any{nil, 16}, map[string]int{"INSERT": 1}, "CREATE INSERT", false},
		{"lost both", []any{nil, 0, 16}, map[string]int{"CREATE": 1, "INSERT": 1}, "CREATE CREATE INSERT", false},
		{"no right", []any{nil, nil, nil, nil}, map[string]int{"CREATE": 9}, "CREATE CREATE CREATE CREATE", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var did []string
				db := fakeDB(func(_ context.Context, statement string) (any, error) {
					verb, _, _ := strings.Cut(statement, " ")
					if verb == "SELECT" {
						answer := tt.count[0]
						tt.count = tt.count[1:]
						if answer == nil {
							return nil, errors.New("no such table")
						}
						return int64(answer.(int)), nil
					}
					did = append(did, verb)
					if tt.fail[verb] > 0 {
						tt.fail[verb]--
						return nil, collision
					}
					return nil, nil
				}).open()
				defer db.Close()
				err := heartbeat.CreateTable(t.Context(), db, heartbeat.DefaultTable)
				if (err != nil) != tt.wantErr || strings.Join(did, " ") != tt.want {
					t.Errorf("did %q and returned %v, want %q", did, err, tt.want)
				}
				if tt.wantErr && (!errors.Is(err, collision) || !strings.Contains(err.Error(), "create table autoscale_heartbeat")) {
					t.Errorf("the error %q does not tell", err)
				}
			})
		})
	}
}

func TestCreateTableRefuses(t *testing.T) {
	db := fakeDB(func(context.Context, string) (any, error) {
		return nil, errors.New("cannot reach postgres://app:hunter2@db.internal/app?sslpassword=hunter2")
	}).open()
	defer db.Close()
	if err := heartbeat.CreateTable(t.Context(), nil, heartbeat.DefaultTable); err == nil || !strings.Contains(err.Error(), "database is nil") {
		t.Errorf("nil database: %v", err)
	}
	if err := heartbeat.CreateTable(t.Context(), db, "a b"); err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("bad table: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := heartbeat.CreateTable(ctx, db, heartbeat.DefaultTable); !errors.Is(err, context.Canceled) {
		t.Errorf("context that has ended: %v", err)
	}
	err := heartbeat.CreateTable(t.Context(), db, heartbeat.DefaultTable)
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "db.internal") {
			t.Errorf("the error %q shows a password, or lacks the host", text)
		}
	}
}

func TestLogHoldsNoSecrets(t *testing.T) {
	for _, text := range []string{
		`failed to connect to postgres://app:s3cret@db.internal:5432/app?sslmode=require`,
		`parse "postgres://app:s3cret/with@slash@db.internal/app": invalid port`,
		`redis://:s3cret@db.internal:6379/0: dial tcp`,
		`https://s3cret@db.internal/`,
		`Get "https://db.internal/search?api_key=s3cret&q=1": EOF`,
		`app:s3cret@tcp(db.internal:3306)/app: connection refused`,
		`app:s3cret@unix(/run/db.internal.sock)/app`,
		`app:s3c@s3cret@tcp(db.internal:3306)/app`,
		"cannot parse `host=db.internal user=app password=s3cret dbname=app`",
		`host=db.internal password='s3cret with spaces' user=app`,
		`db.internal refused {"token": "s3cret", "user": "app"}`,
		`db.internal: PASSWORD: s3cret`,
		`db.internal: 401 for Authorization: Bearer s3cret.s3cret.s3cret`,
		`db.internal: client_secret = s3cret`,
	} {
		for _, panics := range []bool{false, true} {
			log, logger := newLog()
			h := heartbeat.Handler(heartbeat.Logger(logger), heartbeat.Check("db", func(context.Context) error {
				if panics {
					panic(text)
				}
				return errors.New(text)
			}))
			wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
			if strings.Contains(log.String(), "s3c") {
				t.Errorf("the secret of %q is logged: %s", text, log)
			}
			if !panics && !strings.Contains(log.String(), "db.internal") {
				t.Errorf("of %q too much is lost: %s", text, log)
			}
		}
	}
}
