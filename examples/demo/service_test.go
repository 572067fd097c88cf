package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// What makes the demo honest: a heartbeat stands in the queue of the pages.
func TestHeartbeatQueuesLikeAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		db, err := openDatabase(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := newService(&page{db: db, least: time.Minute, chance: rand.New(rand.NewPCG(1, 0))}, dir)

		get := func(ctx context.Context, path string, done chan<- time.Duration) {
			began := time.Now()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			if ctx.Err() == nil && w.Code != http.StatusOK {
				t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
			}
			done <- time.Since(began)
		}
		done := make(chan time.Duration, 100)
		get(t.Context(), heartbeatPath, done)
		if took := <-done; took != 0 {
			t.Errorf("with nobody else there, the heartbeat took %v of fake time", took)
		}

		pages := make(chan time.Duration, 100)
		for range workers + 1 {
			go get(t.Context(), "/", pages)
			synctest.Wait()
		}
		impatient, leave := context.WithCancel(t.Context())
		left := make(chan time.Duration, 1)
		go get(impatient, heartbeatPath, left)
		synctest.Wait()
		go get(t.Context(), heartbeatPath, done)
		synctest.Wait()
		leave()
		if took := <-left; took != 0 {
			t.Errorf("a client that left was kept for %v", took)
		}
		if took := <-done; took != time.Minute {
			t.Errorf("behind %d pages of a minute the heartbeat took %v, want 1m0s", workers+1, took)
		}
		for i := range workers + 1 {
			want := time.Minute
			if i == workers {
				want *= 2
			}
			if took := <-pages; took != want {
				t.Errorf("page %d took %v, want %v", i+1, took, want)
			}
		}
	})
}
