// Package heartbeat is the page that an autoscaler requests in order to learn
// how long the service takes to answer. Like a page that people request, it
// uses a database, a cache and the disk, so that it becomes slow when they do:
//
//	mux.Handle("/autoscalebot/heartbeat/", heartbeat.Handler(
//		heartbeat.SQL(db),
//		heartbeat.Cache(redisCache{client}),
//		heartbeat.Check("search", pingSearch).Within(200*time.Millisecond),
//		heartbeat.Token(os.Getenv("HEARTBEAT_TOKEN")),
//	))
//
// # Not a health check
//
// DO NOT use Handler as a liveness or readiness probe. All processes share
// what it exercises: when their database is down, every one of them fails at
// the same moment, and a platform that restarts what is not alive, or sends
// nothing to what is not ready, takes the whole service away, with the pages
// that need no database. For such a probe there is [Live], which touches nothing.
//
// # Answers
//
//	200  Autoscale-Heartbeat: ok    "Beat"; Server-Timing tells each check's share, and the handler's time as total
//	503  Autoscale-Heartbeat: fail  a check failed: nothing was measured
//	429  Autoscale-Heartbeat: shed  too many heartbeats at once: nothing was measured
//	404                             the token is missing or wrong
//	405                             neither GET nor HEAD
//
// Why a check failed is logged and never in the answer. No answer may be cached
// and no result is ever used twice: a heartbeat that repeats an earlier result
// answers in microseconds when the service is at its slowest, and an
// autoscaler that believes it takes processes away.
//
// # Time
//
// An autoscaler says in the header Autoscale-Timeout-Ms for how many
// milliseconds it waits. The checks end a little before that, so that a
// database that hangs is answered by fail, which no number of processes would
// mend, and not by a timeout, which asks for more of them. This holds for a
// pool of database connections that are all in use, too: from inside, a service
// that needs more connections cannot be told from a database that hangs.
//
// # Cost
//
// BenchmarkHandler compares the page with a bare handler that does the same
// two checks. On two shared cores of an AMD EPYC the page's own work takes 3 to
// 5 µs and 20 allocations. Asked through a server, with checks that wait for the
// network, it answers 2 to 14 µs later than the bare one, whose own runs differ
// by more than that.
package heartbeat

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/internal/wire"
)

const (

	// totalName stands in Server-Timing for the whole handler. The checks' shares
	// cannot tell it: they overlap where they run in parallel.
	totalName = "total"

	defaultTimeout       = 10 * time.Second
	defaultMaxConcurrent = 4

	// Between the end of the checks and the prober's timeout the answer has to
	// travel back. A tenth of the timeout is enough for that where the timeout
	// suits the network; beyond maxMargin it would only cut the measurement short,
	// and minMargin leaves room for the grace.
	minMargin = 2 * grace
	maxMargin = 250 * time.Millisecond

	// A prober that waits less than this has given up before any answer can
	// reach it. The checks then go on a little, so that its impatience is not
	// logged as their failure.
	minBudget = 10 * time.Millisecond
)

// handler is what Handler returns.
type handler struct {
	checks   []*check
	timeout  time.Duration
	parallel bool
	tokens   [][32]byte // SHA-256
	slots    chan struct{}
	limiter  *rate.Limiter
	logger   *slog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	if !h.admits(r) {
		http.NotFound(w, r) // as if nothing were here
		return
	}
	if !readOnly(w, r) {
		return
	}
	if h.limiter != nil && !h.limiter.Allow() {
		shed(w)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		shed(w)
		return
	}

	ctx, cancel := context.WithTimeout(r.Context(), h.budget(r.Header))
	defer cancel()
	shares, ok := h.beat(ctx, r.Context())
	if !ok {
		w.Header().Set(wire.HeaderHeartbeat, "fail")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(wire.HeaderHeartbeat, "ok")
	shares = appendTiming(shares, totalName, time.Since(began))
	w.Header().Set("Server-Timing", string(shares))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "Beat")
}

// budget is how long the checks may take altogether. What the prober says can
// shorten it and never lengthen it; what is no whole number above 0 is ignored.
func (h *handler) budget(header http.Header) time.Duration {
	ms, err := strconv.ParseUint(header.Get(wire.HeaderTimeout), 10, 31)
	if err != nil || ms == 0 {
		return h.timeout
	}
	asked := time.Duration(ms) * time.Millisecond
	asked -= min(max(asked/10, minMargin), maxMargin)
	return min(h.timeout, max(asked, minBudget))
}

// beat runs the checks and returns their share of Server-Timing, and whether all
// succeeded. In sequence, the first failure ends it: there is nothing left to
// measure, and no reason to load what may be limping.
func (h *handler) beat(ctx, client context.Context) (shares []byte, ok bool) {
	calls := make([]*call, len(h.checks))
	if h.parallel {
		for i, c := range h.checks {
			calls[i] = c.start(ctx)
		}
	}
	ok = true
	patience := grace
	shares = make([]byte, 0, 32*(len(calls)+1))
	for i, c := range h.checks {
		if !h.parallel {
			calls[i] = c.start(ctx)
		}
		res := calls[i].wait(patience)
		if res.failed() {
			ok = false
			h.report(client, c, res)
			if !h.parallel {
				break
			}
		}
		if res.abandoned {
			patience = 0 // once is enough: the prober waits
		}
		shares = appendTiming(shares, c.name, res.took)
	}
	return shares, ok
}

// appendTiming adds a metric to the value of Server-Timing, in milliseconds.
func appendTiming(value []byte, name string, took time.Duration) []byte {
	if len(value) > 0 {
		value = append(value, ", "...)
	}
	value = append(value, name...)
	value = append(value, ";dur="...)
	return strconv.AppendFloat(value, float64(took)/float64(time.Millisecond), 'f', 3, 64)
}

// report logs a failure, unless the client went away, which ends the checks
// too. It logs a few a second at most, as an open page can be requested by
// anybody while the database is down.
func (h *handler) report(client context.Context, c *check, res result) {
	if client.Err() == context.Canceled || !c.reports.Allow() {
		return
	}
	// A logger that panics must not break the connection: the prober would
	// take that for a service that fails under its load.
	defer func() { _ = recover() }()
	logger := h.logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := []slog.Attr{
		slog.String("check", c.name),
		slog.Duration("duration", res.took),
		slog.String("error", res.fault),
	}
	if res.stack != "" {
		attrs = append(attrs, slog.String("stack", res.stack))
	}
	logger.LogAttrs(client, slog.LevelError, "heartbeat: check failed", attrs...)
}

// shed answers that there is no capacity to measure anything.
func shed(w http.ResponseWriter) {
	w.Header().Set(wire.HeaderHeartbeat, "shed")
	w.Header().Set("Retry-After", "1")
	http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
}

// readOnly reports whether the method is GET or HEAD, and answers 405 if not.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// Live returns a handler for liveness and readiness probes: it touches nothing
// and answers GET and HEAD by 204, for as long as the process can answer at all.
// It is of no use to an autoscaler.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if readOnly(w, r) {
			w.WriteHeader(http.StatusNoContent)
		}
	})
}
