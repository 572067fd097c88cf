package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

// maxLine is how many characters of an event a line shows.
const maxLine = 2000

// Console returns a notifier that writes one line an event to w: its time, its
// level, and what happened in one sentence.
//
//	2026-11-23T09:30:00Z WARN  web: at the maximum of 3 processes, but more are needed: …
//
// Each line is written by one call of Write. It never becomes two lines and never
// contains terminal sequences, whatever the text of an error in it. Notify returns
// an error of w. When the context ends, a Write that has begun cannot be
// interrupted. So w should be a file or a terminal, and not a network connection.
func Console(w io.Writer) autoscale.Notifier {
	return &console{w: w, turn: make(chan struct{}, 1)}
}

type console struct {
	w    io.Writer
	turn chan struct{} // holds one element while somebody writes; a mutex that a context ends
}

func (c *console) Validate() error {
	if c.w == nil {
		return errors.New("notify.Console has a nil writer: give one, as os.Stderr")
	}
	return nil
}

func (c *console) Notify(ctx context.Context, e autoscale.Event) error {
	if err := c.Validate(); err != nil {
		return err
	}
	line := fmt.Sprintf("%s %-5s %s\n", e.Time.Format(time.RFC3339), e.Level(), plain.Line(e.String(), maxLine))
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("notify: console: an earlier line is still being written: %w", context.Cause(ctx))
	}
	if _, err := c.w.Write([]byte(line)); err != nil {
		return fmt.Errorf("notify: console: %w", err)
	}
	return nil
}

func (c *console) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "notify.Console(%T)", c.w) }
