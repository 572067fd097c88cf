// Webservice is a web service that scales itself on Heroku. Copy from it what a
// service of your own lacks:
//
//	go -C examples run ./webservice
//
// serves on http://localhost:8080, with its heartbeat and a page that says what
// was decided last and why. It scales where it is told which app it is:
//
//	HEROKU_API_KEY   of an account that may scale the app
//	HEROKU_APP_NAME  of the app whose web dynos are scaled
//	DRY_RUN          if not empty: decide and tell, and order nothing
//	HEARTBEAT_TOKEN  if not empty: answer only the heartbeats that send it
//	PORT             where to listen; 8080 by default
//	HEROKU_API_URL   of another Platform API, such as that of herokutest
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

// serve serves until ctx ends, and then finishes what is under way.
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
	mux.Handle(heartbeatPath, beat(db, getenv("HEARTBEAT_TOKEN")))
	cfg, err := configure(getenv)
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
		Handler:           mux,
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

// page is what the service is there for.
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
