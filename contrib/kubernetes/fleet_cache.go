package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// pageSize is how many objects a page of a list has.
	pageSize = 500

	// quickestList and slowestList are the pauses between two tries of a list or a watch
	// that fails.
	quickestList = time.Second
	slowestList  = 30 * time.Second
)

// A fleetMeta is what a fleet uses of the metadata of an object.
type fleetMeta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Generation      int64             `json:"generation"`
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
}

// key returns the name that is unique in the cluster among objects of a kind.
func (m *fleetMeta) key() string { return m.Namespace + "/" + m.Name }

// A cached is an object that a fleetCache holds.
type cached interface {
	meta() *fleetMeta
	trim() // drops what is not used
}

// A fleetCache holds all objects of one kind that a selector selects. One list fills it,
// and one watch keeps it up to date, however many Scalers read it.
type fleetCache[T cached] struct {
	client *Client
	call   call // of the list
	log    *slog.Logger
	stale  time.Duration // how old what is known may be. After two thirds of it the watch is taken for dead
	make   func() T
	change func(key string) // is called after each change, without the lock. Nil: nobody

	mu      sync.Mutex
	items   map[string]T
	version string    // of the last event
	heard   time.Time // when the API server last said what there is. Zero: never
	err     error     // why the last list or watch ended
}

// get returns the object of that key as it was a moment ago. It returns false if there is
// none. It returns an error if what is known is older than the cache allows.
func (c *fleetCache[T]) get(key string, now time.Time) (item T, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.tooOld(now); err != nil {
		return item, false, err
	}
	item, found = c.items[key]
	return item, found, nil
}

// fresh returns an error if what is known is too old.
func (c *fleetCache[T]) fresh(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tooOld(now)
}

// listed returns an error if the first list has not been read.
func (c *fleetCache[T]) listed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.IsZero() {
		return c.tooOld(time.Time{})
	}
	return nil
}

// tooOld returns an error if what is known is too old. The lock is held.
func (c *fleetCache[T]) tooOld(now time.Time) error {
	age := now.Sub(c.heard)
	if !c.heard.IsZero() && age <= c.stale {
		return nil
	}
	err := c.err
	if err == nil {
		err = errors.New("no event came")
	}
	if c.heard.IsZero() {
		return fmt.Errorf("kubernetes: the %s are not known yet: %w", c.call.resource, err)
	}
	return fmt.Errorf("kubernetes: the %s were last heard of %s ago, and what is older than %s is not used: %w", c.call.resource, age.Round(time.Second), c.stale, err)
}

// all returns all objects, by key. It returns false before the first list.
func (c *fleetCache[T]) all() (map[string]T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.items), !c.heard.IsZero()
}

// run lists and watches until ctx ends.
func (c *fleetCache[T]) run(ctx context.Context) {
	for wait := quickestList; ctx.Err() == nil; {
		began := time.Now()
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.err = err
		if answered(err) == http.StatusGone {
			c.version = "" // it lists again
		}
		c.mu.Unlock()
		short := time.Since(began) < time.Second // a proxy may end every watch at once
		if err == nil && !short || time.Since(began) > slowestList {
			wait = quickestList
		}
		if err == nil && short {
			if pause(ctx, wait/2+rand.N(wait)) != nil {
				return
			}
			wait = min(2*wait, slowestList)
		}
		if err != nil {
			c.log.WarnContext(ctx, "kubernetes: the fleet lost sight of the "+c.call.resource+" and looks again", slog.Any("error", err))
			if pause(ctx, wait/2+rand.N(wait)) != nil {
				return
			}
			wait = min(2*wait, slowestList)
		}
	}
}

var errSilence = errors.New("the watch sent nothing for too long, and the connection may be dead")

// follow lists, unless the last watch can be continued, and watches until the watch ends.
func (c *fleetCache[T]) follow(ctx context.Context) error {
	c.mu.Lock()
	version := c.version
	if time.Since(c.heard) > c.stale/2 {
		version = "" // a watch that goes on is silent until something happens, and a list is not
	}
	c.mu.Unlock()
	if version == "" {
		if err := c.list(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := 2 * c.stale / 3
	silence := time.AfterFunc(silent, func() { cancel(errSilence) })
	defer silence.Stop()
	c.mu.Lock()
	version = c.version
	c.mu.Unlock()
	return c.client.watch(ctx, c.call, version, func(e watchEvent) error {
		silence.Reset(silent)
		return c.take(e)
	})
}

// list replaces all objects, page by page.
func (c *fleetCache[T]) list(ctx context.Context) error {
	items := make(map[string]T)
	var version, next string
	for {
		k := c.call
		k.query = url.Values{}
		maps.Copy(k.query, c.call.query)
		k.query.Set("limit", fmt.Sprint(pageSize))
		if next != "" {
			k.query.Set("continue", next)
		}
		var page struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
				Continue        string `json:"continue"`
			} `json:"metadata"`
			Items []json.RawMessage `json:"items"`
		}
		if err := c.client.do(ctx, k, nil, &page); err != nil {
			return err
		}
		for _, raw := range page.Items {
			item := c.make()
			if err := json.Unmarshal(raw, item); err != nil || item.meta().Name == "" {
				return fmt.Errorf("kubernetes: %s: an item of the answer cannot be read: %w", k.op, err)
			}
			item.trim()
			items[item.meta().key()] = item
		}
		version, next = page.Metadata.ResourceVersion, page.Metadata.Continue
		if next == "" {
			break
		}
	}
	if version == "" {
		return fmt.Errorf("kubernetes: %s: the answer is not a list, because it has no resourceVersion: check the URL of the API server", c.call.op)
	}
	c.mu.Lock()
	old := c.items
	c.items, c.version, c.heard, c.err = items, version, time.Now(), nil
	c.mu.Unlock()
	if c.change == nil {
		return nil
	}
	for key := range items {
		c.change(key)
	}
	for key := range old {
		if _, still := items[key]; !still {
			c.change(key)
		}
	}
	return nil
}

// take takes one event of the watch.
func (c *fleetCache[T]) take(e watchEvent) error {
	item := c.make()
	if err := json.Unmarshal(e.Object, item); err != nil || item.meta().ResourceVersion == "" {
		return fmt.Errorf("kubernetes: %s: an event of the watch has no object: %w", c.call.op, err)
	}
	item.trim()
	key := item.meta().key()
	c.mu.Lock()
	c.version, c.heard = item.meta().ResourceVersion, time.Now()
	switch e.Type {
	case "ADDED", "MODIFIED":
		c.items[key] = item
	case "DELETED":
		delete(c.items, key)
	default: // a bookmark
		key = ""
	}
	c.mu.Unlock()
	if key != "" && c.change != nil {
		c.change(key)
	}
	return nil
}

// answered returns the status of the answer that err reports. 0: there was none.
func answered(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
