package heartbeat_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// request prints what h answers.
func request(h http.Handler) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/autoscalebot/heartbeat/", nil))
	fmt.Println(w.Code, w.Header().Get("Autoscale-Heartbeat"), w.Body)
}

// openDB stands for sql.Open("pgx", os.Getenv("DATABASE_URL")) and its like.
func openDB() *sql.DB {
	return fakeDB(func(context.Context, string) (any, error) { return "Beat", nil }).open()
}

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/autoscalebot/heartbeat/", heartbeat.Handler()) // the disk and a cache in memory
	mux.Handle("/live", heartbeat.Live())                       // for the platform's own probes
	request(mux)
	// Output: 200 ok Beat
}

func ExampleHandler_options() {
	request(heartbeat.Handler(
		heartbeat.Check("search", func(context.Context) error { return nil }),
		heartbeat.Timeout(5*time.Second),
		heartbeat.MaxConcurrent(2),
		heartbeat.Limit(rate.NewLimiter(10, 20)), // ten a second, twenty at once
		heartbeat.Parallel(),
		heartbeat.NoDefaults(),
		heartbeat.Logger(nil),
	))
	// Output: 200 ok Beat
}

func ExampleSQL() {
	db := openDB() // sql.Open("pgx", os.Getenv("DATABASE_URL"))
	defer db.Close()
	request(heartbeat.Handler(heartbeat.SQL(db)))
	// Output: 200 ok Beat
}

func ExampleSQLTable() {
	primary, replica := openDB(), openDB()
	defer primary.Close()
	defer replica.Close()
	request(heartbeat.Handler(
		heartbeat.SQLTable(primary, "ops.heartbeat"),
		heartbeat.SQLTable(replica, "ops.heartbeat").Named("replica"),
	))
	// Output: 200 ok Beat
}

func ExampleCreateTable() {
	db := fakeDB(func(context.Context, string) (any, error) { return int64(16), nil }).open()
	defer db.Close()
	err := heartbeat.CreateTable(context.Background(), db, heartbeat.DefaultTable)
	fmt.Println(err)
	// Output: <nil>
}

// syncCache is a cache of the host's own.
type syncCache struct{ values *sync.Map }

func (c syncCache) Get(_ context.Context, key string) ([]byte, error) {
	value, ok := c.values.Load(key)
	if !ok {
		return nil, fmt.Errorf("no key %s", key)
	}
	return value.([]byte), nil
}

func (c syncCache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	c.values.Store(key, value)
	time.AfterFunc(ttl, func() { c.values.Delete(key) })
	return nil
}

func ExampleCache() {
	request(heartbeat.Handler(heartbeat.Cache(syncCache{new(sync.Map)})))
	// Output: 200 ok Beat
}

func ExampleDisk() {
	request(heartbeat.Handler(heartbeat.Disk(os.TempDir())))
	// Output: 200 ok Beat
}

func ExampleCheck() {
	search := func(ctx context.Context) error { return fmt.Errorf("no index") }
	request(heartbeat.Handler(
		heartbeat.Check("search", search).Within(200*time.Millisecond),
		heartbeat.Logger(quiet),
	))
	// Output: 503 fail Service Unavailable
}

func ExampleToken() {
	h := heartbeat.Handler(heartbeat.Token("Eb8kV2nXq0sT4uYw7zR1")) // os.Getenv("HEARTBEAT_TOKEN")
	request(h)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer Eb8kV2nXq0sT4uYw7zR1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 404  404 page not found
	//
	// 200 Beat
}

func ExampleLive() {
	w := httptest.NewRecorder()
	heartbeat.Live().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/live", nil))
	fmt.Println(w.Code)
	// Output: 204
}
