package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
)

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

type bomb struct{}

func (bomb) Error() string { panic("boom in Error") }

// Whatever a check does, the answer is fail, it is logged, and the client
// learns nothing of it.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		check func(context.Context) error
		log   []string
	}{
		{"error", func(context.Context) error { return errors.New("db.internal is down") }, []string{"check=inventory", "db.internal is down", "duration="}},
		{"error without text", func(context.Context) error { return errors.New("") }, []string{"check=inventory", "error without text"}},
		{"panic", func(context.Context) error { panic("db.internal exploded") }, []string{"check=inventory", "panic: db.internal exploded", "stack=", "check_test.go"}},
		{"panic with an error", func(context.Context) error { panic(bomb{}) }, []string{"check=inventory", "panic", "stack="}},
		{"out of range", func(context.Context) error { var all []error; return all[len(all)] }, []string{"index out of range", "stack="}},
		{"typed nil error", func(context.Context) error { var e *nilError; return e }, []string{"check=inventory", "stack="}},
		{"panic in Error", func(context.Context) error { return bomb{} }, []string{"boom in Error", "stack="}},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, []string{"Goexit"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, parallel := range []bool{false, true} {
				log, logger := newLog()
				parts := []heartbeat.Part{heartbeat.Logger(logger), heartbeat.Check("inventory", tt.check)}
				if parallel {
					parts = append(parts, heartbeat.Parallel())
				}
				w := get(heartbeat.Handler(parts...))
				wantAnswer(t, w, http.StatusServiceUnavailable, "fail")
				for _, want := range append(tt.log, "level=ERROR") {
					if !strings.Contains(log.String(), want) {
						t.Errorf("the log lacks %q: %s", want, log)
					}
				}
				if log.lines() != 1 {
					t.Errorf("%d lines, want 1: %s", log.lines(), log)
				}
				answer := fmt.Sprint(w.Header(), w.Body)
				for _, detail := range []string{"inventory", "internal", "boom", "goroutine", "dur="} {
					if strings.Contains(answer, detail) {
						t.Errorf("the answer reveals %q: %s", detail, answer)
					}
				}
			}
		})
	}
}

func TestFirstFailureEndsTheSequence(t *testing.T) {
	bad := func(context.Context) error { return errors.New("down") }
	never := func(context.Context) error { t.Error("it went on"); return nil }
	log, logger := newLog()
	h := heartbeat.Handler(heartbeat.Logger(logger), heartbeat.Check("a", bad), heartbeat.Check("b", never))
	wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
	if log.lines() != 1 || !strings.Contains(log.String(), "check=a") {
		t.Errorf("the log is %s", log)
	}
}

func TestParallelReportsEveryFailure(t *testing.T) {
	bad := func(context.Context) error { return errors.New("down") }
	log, logger := newLog()
	h := heartbeat.Handler(heartbeat.Logger(logger), heartbeat.Parallel(), heartbeat.Check("a", bad), heartbeat.Check("b", succeed), heartbeat.Check("c", bad))
	wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
	if log.lines() != 2 || !strings.Contains(log.String(), "check=a") || !strings.Contains(log.String(), "check=c") {
		t.Errorf("the log is %s", log)
	}
}

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := newLog()
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(logger),
			heartbeat.Check("quick", sleep(time.Millisecond)),
			heartbeat.Check("hangs", hang).Within(200*time.Millisecond))
		start := time.Now()
		wantAnswer(t, get(h, "Autoscale-Timeout-Ms: 1000"), http.StatusServiceUnavailable, "fail")
		if got := time.Since(start); got != 201*time.Millisecond || !strings.Contains(log.String(), "check=hangs duration=200ms") {
			t.Errorf("it took %v, and the log is %s", got, log)
		}
	})
}

func TestNoTimeIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := newLog()
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(logger), heartbeat.Timeout(100*time.Millisecond),
			heartbeat.Check("slow", sleep(105*time.Millisecond)), // succeeds, in the grace
			heartbeat.Check("next", func(context.Context) error {
				t.Error("the next check ran")
				return nil
			}))
		wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
		if log.lines() != 1 || !strings.Contains(log.String(), "check=next") || !strings.Contains(log.String(), "no time was left") {
			t.Errorf("the log is %s", log)
		}
	})
}

// A check that ignores its context can pin only a few goroutines, for which nobody
// waits, and works again once they have returned.
func TestStuck(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log, logger := newLog()
			var calls, most atomic.Int32
			release := make(chan struct{})
			parts := []heartbeat.Part{
				heartbeat.NoDefaults(), heartbeat.Logger(logger), heartbeat.Timeout(100 * time.Millisecond),
				heartbeat.Check("deaf", func(context.Context) error {
					if n := calls.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer calls.Add(-1)
					<-release
					return nil
				}),
			}
			if parallel {
				parts = append(parts, heartbeat.Parallel())
			}
			h := heartbeat.Handler(parts...)

			start := time.Now()
			wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
			if got := time.Since(start); got != 110*time.Millisecond { // its time and the grace
				t.Errorf("it took %v to abandon a call, want 110ms", got)
			}
			for range 50 {
				var wg sync.WaitGroup
				for range 200 {
					wg.Go(func() {
						if w := get(h); w.Code == http.StatusOK {
							t.Errorf("status %d from a check that never returned", w.Code)
						}
					})
				}
				wg.Wait()
			}
			if most.Load() > 7 {
				t.Errorf("%d calls were under way at once, want 7 at most", most.Load())
			}
			start = time.Now()
			wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
			if got := time.Since(start); got != 0 {
				t.Errorf("with calls stuck it took %v to say so", got)
			}
			time.Sleep(time.Second) // the log has room again
			get(h)
			if !strings.Contains(log.String(), "no result within") || !strings.Contains(log.String(), "stuck: ") {
				t.Errorf("the log lacks it: %s", log)
			}

			close(release)
			synctest.Wait()
			if calls.Load() != 0 {
				t.Errorf("%d calls are left", calls.Load())
			}
			wantAnswer(t, get(h), http.StatusOK, "ok")
		})
	}
}

// Calls that end at the very moment at which they are abandoned must be
// counted neither twice nor not at all: a count that drifts would answer stuck
// for ever, or never.
func TestStuckCountsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(quiet), heartbeat.Timeout(50*time.Millisecond),
			heartbeat.Check("late", sleep(60*time.Millisecond))) // just as the grace ends
		for range 500 {
			if w := get(h); w.Code != http.StatusOK {
				wantAnswer(t, w, http.StatusServiceUnavailable, "fail")
			}
			synctest.Wait()
		}
		start := time.Now()
		get(h)
		if got := time.Since(start); got != 60*time.Millisecond {
			t.Errorf("after 500 calls that ended late it took %v, want 60ms: it is taken for stuck", got)
		}
	})
}

func TestDefaults(t *testing.T) {
	own := heartbeat.Check("db", succeed)
	for _, tt := range []struct {
		name  string
		parts []heartbeat.Part
		want  string
	}{
		{"nothing", nil, "disk cache"},
		{"one more", []heartbeat.Part{own}, "disk cache db"},
		{"options are not dependencies", []heartbeat.Part{heartbeat.Timeout(time.Second)}, "disk cache"},
		{"another disk", []heartbeat.Part{own, heartbeat.Disk(t.TempDir())}, "cache db disk"},
		{"another cache", []heartbeat.Part{heartbeat.Cache(newCache())}, "disk cache"},
		{"a second disk", []heartbeat.Part{heartbeat.Disk(t.TempDir()).Named("uploads")}, "disk cache uploads"},
		{"none of them", []heartbeat.Part{heartbeat.NoDefaults(), own}, "db"},
		{"none of them, said last", []heartbeat.Part{heartbeat.Disk(t.TempDir()), heartbeat.NoDefaults()}, "disk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := get(heartbeat.Handler(tt.parts...))
			wantAnswer(t, w, http.StatusOK, "ok")
			var got []string
			for share := range strings.SplitSeq(w.Header().Get("Server-Timing"), ", ") {
				name, _, _ := strings.Cut(share, ";")
				got = append(got, name)
			}
			if strings.Join(got, " ") != tt.want+" total" {
				t.Errorf("exercised %q, want %q and the total", got, tt.want)
			}
		})
	}
}

func TestHandlerPanics(t *testing.T) {
	var noMap mapCache
	var noPointer *cache
	db := fakeDB(nil).open()
	for _, tt := range []struct {
		name  string
		parts []heartbeat.Part
		want  []string
	}{
		{"nil part", []heartbeat.Part{nil}, []string{"argument 1: is nil"}},
		{"nil db", []heartbeat.Part{heartbeat.SQL(nil)}, []string{"database is nil", "sql.Open"}},
		{"bad table", []heartbeat.Part{heartbeat.SQLTable(db, "a; DROP TABLE b")}, []string{`"a; DROP TABLE b"`, "SCHEMA.NAME"}},
		{"no table", []heartbeat.Part{heartbeat.SQLTable(db, "")}, []string{`""`}},
		{"nil cache", []heartbeat.Part{heartbeat.Cache(nil)}, []string{"cache is nil"}},
		{"typed nil cache", []heartbeat.Part{heartbeat.Cache(noPointer)}, []string{"cache is nil", "*heartbeat_test.cache"}},
		{"nil map cache", []heartbeat.Part{heartbeat.Cache(noMap)}, []string{"cache is nil", "mapCache"}},
		{"nil func", []heartbeat.Part{heartbeat.Check("search", nil)}, []string{`Check("search", nil)`}},
		{"zero dependency", []heartbeat.Part{heartbeat.Dependency{}}, []string{"an empty "}},
		{"zero option", []heartbeat.Part{heartbeat.Option{}}, []string{"an empty "}},
		{"the name of the whole", []heartbeat.Part{heartbeat.Check("total", succeed)}, []string{`name "total"`, "choose another"}},
		{"no name", []heartbeat.Part{heartbeat.Check("", succeed)}, []string{`name ""`, "a-z"}},
		{"bad name", []heartbeat.Part{heartbeat.Check("Über", succeed)}, []string{`name "Über"`}},
		{"header in a name", []heartbeat.Part{heartbeat.Check("a\r\nset-cookie: b", succeed)}, []string{`name "a\r\nset-cookie: b"`}},
		{"long name", []heartbeat.Part{heartbeat.Check(strings.Repeat("a", 33), succeed)}, []string{"at most 32"}},
		{"name twice", []heartbeat.Part{heartbeat.SQL(db), heartbeat.SQL(db)}, []string{`"sql" is used twice`, "Named"}},
		{"disk twice", []heartbeat.Part{heartbeat.Disk(""), heartbeat.Disk("")}, []string{`"disk" is used twice`}},
		{"no time", []heartbeat.Part{heartbeat.Check("a", succeed).Within(0)}, []string{"a.Within(0s)"}},
		{"no token", []heartbeat.Part{heartbeat.Token()}, []string{"Token()"}},
		{"no concurrency", []heartbeat.Part{heartbeat.MaxConcurrent(0)}, []string{"MaxConcurrent(0)"}},
		{"nil limiter", []heartbeat.Part{heartbeat.Limit(nil)}, []string{"Limit(nil)"}},
		{"no timeout", []heartbeat.Part{heartbeat.Timeout(-1)}, []string{"Timeout(-1ns)"}},
		{"nothing left", []heartbeat.Part{heartbeat.NoDefaults()}, []string{"nothing is left"}},
		{"all at once", []heartbeat.Part{heartbeat.SQL(nil), heartbeat.Disk(""), heartbeat.Cache(nil), heartbeat.Timeout(0)}, []string{"argument 1: ", "argument 3: ", "argument 4: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				got := fmt.Sprint(recover())
				for _, want := range append(tt.want, "heartbeat.Handler: ") {
					if !strings.Contains(got, want) {
						t.Errorf("panicked with %q, which lacks %q", got, want)
					}
				}
				if strings.Contains(got, "s3cret") {
					t.Errorf("panicked with %q, which reveals the token", got)
				}
			}()
			heartbeat.Handler(tt.parts...)
			t.Error("did not panic")
		})
	}
	// A nil logger is the default one, and a short name is a name.
	heartbeat.Handler(heartbeat.Logger(nil), heartbeat.Check("a", succeed), heartbeat.Check(strings.Repeat("a", 32), succeed))
}
