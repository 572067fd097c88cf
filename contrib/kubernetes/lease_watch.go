package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

const (
	// slowestWatch is the longest pause between two tries of a watch that fails.
	slowestWatch = time.Minute
	// deniedWatch is the pause if the Role lacks the verb watch.
	deniedWatch = 10 * time.Minute
)

// lookAt returns the Lease as the watch showed it a moment ago, or nil. While a leader
// renews, the watch shows each renewal. When it shows none any more, the Lease must be asked
// for, because the leader or the watch may have died.
func (l *lease) lookAt(name string) *leaseObject {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown == nil || time.Since(l.shownAt) > l.fresh || l.shown.check(name) != nil {
		return nil
	}
	return l.shown
}

func (l *lease) show(o *leaseObject) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown, l.shownAt = o, time.Now()
}

// follow watches the Lease until ctx ends, once its name is known.
func (l *lease) follow(ctx context.Context) {
	var name string
	select {
	case name = <-l.watched:
	case <-ctx.Done():
		return
	}
	for wait := l.fresh / 4; ctx.Err() == nil; {
		began := time.Now()
		err := l.watch(ctx, objectName(name))
		l.show(nil)
		switch {
		case time.Since(began) > l.fresh:
			wait = l.fresh / 4
		case statusOf(err) == http.StatusForbidden:
			wait = deniedWatch
		default:
			wait = min(2*wait, max(slowestWatch, l.fresh))
		}
		if pause(ctx, wait/2+rand.N(wait/2+1)) != nil {
			return
		}
	}
}

var errSilent = errors.New("the watch sent nothing for too long")

// watch watches the Lease until the API server ends that, or shows nothing for so long
// that the connection may have died.
func (l *lease) watch(ctx context.Context, object string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(4*l.fresh, func() { cancel(errSilent) })
	defer silence.Stop()
	k := call{op: "watch the lease", subject: "leases/" + object, api: leaseAPI, resource: "leases", query: url.Values{"fieldSelector": {"metadata.name=" + object}}}
	return l.client.watch(ctx, k, "", func(e watchEvent) error {
		silence.Reset(4 * l.fresh)
		switch e.Type {
		case "DELETED":
			l.show(nil)
		case "ADDED", "MODIFIED":
			var o leaseObject
			if err := json.Unmarshal(e.Object, &o); err != nil {
				return err
			}
			l.show(&o)
		}
		return nil
	})
}
