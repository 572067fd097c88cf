// Webservice is a web service that scales itself on Heroku. Copy from it what a
// service of your own lacks:
//
//	go -C examples run ./webservice
//
// serves on http://localhost:8080, and /status says what was decided last and why.
// The service counts its own requests, and scales by target tracking. These
// variables configure it:
//
//	HEROKU_API_KEY   the token of an account that may scale the app
//	HEROKU_APP_NAME  the app whose web dynos are scaled
//	DATABASE_URL     a PostgreSQL database, in which the dynos elect the one that acts
//	DRY_RUN          if not empty: decide and report, and order nothing
//	SCALE_BY         "heartbeat": go by the latency of a heartbeat, which is the second choice
//	HEARTBEAT_TOKEN  if not empty: answer only the heartbeats that send it
//	PORT             where to listen; 8080 by default
//	HEROKU_API_URL   another Platform API, such as that of herokutest
//
// Without the first two it serves, and does not scale itself.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/traffic"
)

const heartbeatPath = "/autoscalebot/heartbeat/"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err == nil {
		err = serve(ctx, listener, os.Getenv)
	}
	if err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

// serve serves until ctx ends, and then finishes the requests in progress.
func serve(ctx context.Context, listener net.Listener, getenv func(string) string) error {
	defer listener.Close()
	db, closeDB, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer closeDB()

	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page(db))
	if getenv("SCALE_BY") == "heartbeat" {
		mux.Handle(heartbeatPath, beat(db, getenv("HEARTBEAT_TOKEN")))
	}
	t := traffic.New(&traffic.Options{Concurrency: concurrency})
	cfg, err := configure(getenv, t)
	if err != nil {
		slog.Warn(err.Error())
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, err) })
	} else {
		scaler := autoscale.New(cfg)
		mux.Handle("GET /status", status(scaler))
		background.Go(func() {
			// It logs an error itself. The service goes on without it.
			_ = scaler.Run(ctx)
		})
	}

	server := &http.Server{
		Handler:           t.Handler(mux), // it counts the requests that pass through
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute, // Heroku's router keeps connections for 90 s
	}
	background.Go(func() {
		<-ctx.Done()
		// Heroku kills what has not ended 30 s after SIGTERM.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			slog.Error("not every request could be finished: " + err.Error())
		}
	})
	slog.Info("serving on http://" + listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// concurrency is how many requests this service works on at once: measure it, or take the
// number that its pool of connections or its processors allow.
const concurrency = 8

// page is what the service is for.
func page(db *sql.DB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var now string
		if err := db.QueryRowContext(r.Context(), "SELECT datetime('now')").Scan(&now); err != nil {
			slog.Error("page: " + err.Error())
			http.Error(w, "try again later", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "It is %s.\n", now)
	}
}

// beat is the heartbeat: it uses what the page uses, so that it is slow when the
// page is.
func beat(db *sql.DB, token string) http.Handler {
	parts := []heartbeat.Part{heartbeat.SQL(db)}
	if token != "" {
		parts = append(parts, heartbeat.Token(token))
	}
	return heartbeat.Handler(parts...)
}

// openDatabase stands for the database that a service has.
func openDatabase(ctx context.Context) (*sql.DB, func(), error) {
	dir, err := os.MkdirTemp("", "webservice-")
	if err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "service.db"))
	if err == nil {
		err = heartbeat.CreateTable(ctx, db, heartbeat.DefaultTable)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return db, func() { _, _ = db.Close(), os.RemoveAll(dir) }, nil
}
