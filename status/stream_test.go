package status_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

// deadlines records when the answer would be cut off.
type deadlines struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
	at time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	return nil
}

func (d *deadlines) deadline() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// HTTP/2 resets a stream when its deadline comes, even if nothing is written then.
func TestStreamHasNoDeadlineWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := autoscale.New(config(&service{size: 2}))
		page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
		w := &deadlines{ResponseRecorder: httptest.NewRecorder(), at: time.Now().Add(2 * time.Second)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			page.ServeHTTP(w, r)
		}()
		for range 40 {
			time.Sleep(time.Second)
			synctest.Wait()
			if at := w.deadline(); !at.IsZero() {
				t.Fatalf("a stream that waits is cut off %v from now", time.Until(at))
			}
		}
		page.Close()
		<-done
		if until := time.Until(w.deadline()); until <= 0 || until > time.Minute {
			t.Errorf("the end of the stream may take %v", until)
		}
	})
}

func TestStreamByHEAD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := autoscale.New(config(&service{size: 2}))
		page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
		start := time.Now()
		r := httptest.NewRequest(http.MethodHead, "/events", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if took := time.Since(start); took > 0 || w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("HEAD took %v: %d %v", took, w.Code, w.Header())
		}
	})
}

// noFlush hides that the answer can be flushed, as middleware that compresses does.
type noFlush struct{ http.ResponseWriter }

// A stream that cannot be flushed is refused, so that the page's script polls.
func TestStreamWithoutFlush(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	w := get(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.ServeHTTP(noFlush{w}, r) }), "/events")
	if w.Code != http.StatusNotImplemented {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The page's script polls, unless the first event shows that events get through.
func TestStreamBeginsWithAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := autoscale.New(config(&service{size: 2}))
		page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
		page.Close()
		if w := get(t, page, "/events"); w.Body.String() != "retry: 3000\nevent: ready\ndata: 1\n\n" {
			t.Errorf("a stream begins with %q", w.Body)
		}
	})
}

// The streams of a page look together, however many there are.
func TestStreamsShareALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := autoscale.New(config(&service{size: 2}))
		source := &counted{Source: a}
		page := status.Handler(source, &status.Options{Token: token, Logger: quiet})
		var open sync.WaitGroup
		for range 20 {
			open.Go(func() { get(t, page, "/events") })
		}
		time.Sleep(time.Minute)
		page.Close()
		open.Wait()
		if n := source.n.Load(); n < 55 || n > 125 {
			t.Errorf("20 streams looked %d times in a minute", n)
		}
	})
}

// counted counts how often a source is asked.
type counted struct {
	status.Source
	n atomic.Int64
}

func (c *counted) Members() []*autoscale.Autoscaler {
	c.n.Add(1)
	return c.Source.Members()
}
