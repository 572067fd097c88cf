package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/platform/pool"
)

const (
	// serviceEnv makes this program the web service instead of the demo.
	serviceEnv = "AUTOSCALE_DEMO_DYNO"

	heartbeatPath = "/autoscalebot/heartbeat/"

	// workers is how many requests one process works on at a time, as a pool of
	// threads would.
	workers = 4
)

// serve is the web service. It listens on the port that the pool gave it, writes messages
// to standard output, and ends on SIGTERM.
func serve(args []string) error {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	dir := flags.String("dir", "", "the folder of the database")
	api := flags.String("api", "", "the URL of the Platform API")
	length := flags.Duration("duration", fullLength, "that of the script")
	seed := flags.Uint64("seed", 1, "that of the script")
	heartbeat := flags.Bool("heartbeat", false, "that of the script")
	if err := flags.Parse(args); err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	signal.Ignore(os.Interrupt) // Ctrl-C is for the demo, which then stops its dynos
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	gone := orphaned()

	chance, err := strconv.ParseUint(os.Getenv(pool.EnvNumber), 10, 32)
	if err != nil {
		return fmt.Errorf("the number of this dyno: %w", err)
	}
	s := newScript(*length, *seed, *heartbeat)
	time.Sleep(s.boot)
	db, err := openDatabase(*dir)
	if err != nil {
		return err
	}
	defer db.Close()
	p := &page{db: db, least: s.least, more: s.more, chance: rand.New(rand.NewPCG(*seed+chance, 0))}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	reports := newReporter(os.Stdout)
	scaling := newScaling(s, os.Getenv(pool.EnvProcess), *api, db, reports)
	server := &http.Server{Handler: scaling.handler(newService(p, *dir)), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	server.RegisterOnShutdown(func() { _ = scaling.page.Close() })

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { scaling.run(ctx) })
	select {
	case err := <-served:
		cancel()
		return err
	case <-stop:
	case <-gone:
	}
	cancel() // if this dyno led, another does from now on
	finish, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err = server.Shutdown(finish)
	background.Wait()
	select {
	case <-gone:
		cleanUp(*dir)
	case <-time.After(100 * time.Millisecond): // in which a demo that was killed has ended
	}
	return err
}

// orphaned returns a channel that is closed when the demo ends, however that happens.
func orphaned() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(gone)
	}()
	return gone
}

// cleanUp removes what the demo left, if it was killed. All dynos do so, and one may still
// write: the last one wins.
func cleanUp(dir string) {
	for range 20 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// openDatabase opens the database that all dynos share.
func openDatabase(dir string) (*sql.DB, error) {
	dsn := url.URL{
		Scheme: "file", Opaque: filepath.ToSlash(filepath.Join(dir, "service.db")),
		RawQuery: "_pragma=busy_timeout(2000)&_pragma=journal_mode(wal)",
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := heartbeat.CreateTable(ctx, db, heartbeat.DefaultTable); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// newService returns the service: its page, and the heartbeat, which stands in
// the same queue as that does. Nothing else makes the heartbeat slow.
func newService(p *page, dir string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p)
	mux.Handle(heartbeatPath, heartbeat.Handler(heartbeat.SQL(p.db), heartbeat.Disk(dir)))
	return limited(mux, workers)
}

// limited works on n requests at a time; the others wait in the order in which
// they came. A request whose client has gone leaves the queue.
func limited(next http.Handler, n int) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// A page is answered after a query and the time that it takes. That is slept and
// not computed, so that five dynos fit in a small machine.
type page struct {
	db          *sql.DB
	least, more time.Duration

	mu     sync.Mutex
	chance *rand.Rand
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var greeting string
	err := p.db.QueryRowContext(r.Context(), "SELECT beat FROM "+heartbeat.DefaultTable+" WHERE id = 1").Scan(&greeting)
	if err != nil {
		http.Error(w, "the database does not answer", http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	more := time.Duration(p.chance.ExpFloat64() * float64(p.more))
	p.mu.Unlock()
	// A page that was begun is finished, whether or not somebody waits for it.
	time.Sleep(p.least + more)
	fmt.Fprintf(w, "<!doctype html><title>quiet-river</title><p>%s\n", greeting)
}
