package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strconv"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

const (
	// maxEvent bounds one event of a watch. An object of the API has at most 1.5 MiB.
	maxEvent = 4 << 20

	// watchTime is after how long the API server is asked to end a watch. The caller
	// begins another one where it ended.
	watchTime = 5 * time.Minute

	// watchGrace is how much longer a watch may take before it is given up.
	watchGrace = 30 * time.Second
)

// A watchEvent is one line of a watch.
type watchEvent struct {
	Type   string          `json:"type"` // ADDED, MODIFIED, DELETED or BOOKMARK
	Object json.RawMessage `json:"object"`
}

// watch calls each for every event after resourceVersion, in their order, bookmarks
// included. If resourceVersion is empty, the events begin with an ADDED of each object that
// is there. It returns nil if the API server ended the watch, which it does after some
// minutes: the caller begins another one at the last resourceVersion that it saw. It
// returns the error of each, or an *Error. If that has the status 410, the API server has
// forgotten the resourceVersion, and the caller lists again.
func (c *Client) watch(ctx context.Context, k call, resourceVersion string, each func(watchEvent) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, watchTime+watchGrace, calls.Slow{After: watchTime + watchGrace})
	defer cancel()
	query := url.Values{}
	maps.Copy(query, k.query)
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	if resourceVersion != "" {
		query.Set("resourceVersion", resourceVersion)
	}
	query.Set("timeoutSeconds", strconv.Itoa(int(watchTime/time.Second)))
	k.query = query

	conn, err := c.connection()
	if err != nil {
		return c.failed(k, nil, err)
	}
	if err := c.room(ctx); err != nil {
		return c.failed(k, conn, err)
	}
	// The headers have the time of an attempt. The events after them have that of a watch.
	slow := calls.Slow{After: c.opts.AttemptTimeout}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	timer := time.AfterFunc(c.opts.AttemptTimeout, func() { stop(slow) })
	res, e := c.send(ctx, conn, k, nil)
	timer.Stop()
	if e != nil {
		return e
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var event watchEvent
		if err := json.Unmarshal(line, &event); err != nil || event.Type == "" {
			return c.failed(k, conn, errors.New("the watch sent a line that is not an event: check the URL of the API server"))
		}
		if event.Type == "ERROR" {
			e := c.failed(k, conn, nil)
			e.Tries = 1
			c.explain(e, event.Object)
			return e
		}
		if err := each(event); err != nil {
			return err
		}
	}
	err = lines.Err()
	switch {
	case ctx.Err() != nil:
		return c.failed(k, conn, ended(ctx, err))
	case errors.Is(err, bufio.ErrTooLong):
		return c.failed(k, conn, fmt.Errorf("an event of the watch has more than %d bytes", maxEvent))
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil:
		return nil
	}
	return c.failed(k, conn, err)
}
