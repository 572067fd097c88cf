package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	redraw    = time.Second
	topEvents = 8 // that top shows

	// What a terminal is told: another screen without a cursor, on which long lines are cut.
	topBegins = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	topEnds   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	topHome   = "\x1b[H"
	endOfLine = "\x1b[K\n"
	clearRest = "\x1b[J"
)

// isTerminal reports whether somebody watches what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// top draws what status and events print, once a second until it is interrupted.
func (c *command) top(ctx context.Context) int {
	switch {
	case c.target.json:
		return c.usage("top", errors.New("top draws on a terminal: use status --json"))
	case !isTerminal(c.stdout):
		return c.usage("top", errors.New("standard output is not a terminal: use status, and events"))
	}
	zone, err := c.zone()
	var from source
	if err == nil {
		from, err = c.source()
	}
	if err != nil {
		return c.usage("top", err)
	}
	doc, err := from.read(ctx)
	if err != nil {
		return c.failed("top", err)
	}
	fmt.Fprint(c.stdout, topBegins)
	defer fmt.Fprint(c.stdout, topEnds)
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for {
		if _, err := c.stdout.Write(frame(doc, err, time.Now(), zone)); err != nil {
			return exitFailed
		}
		select {
		case <-ctx.Done():
			return exitOK
		case <-ticker.C:
		}
		// What was read last stays in sight while the store does not answer.
		if next, failed := from.read(ctx); failed == nil {
			doc, err = next, nil
		} else {
			err = failed
		}
	}
}

// frame is one drawing.
func frame(doc *document, err error, now time.Time, zone *time.Location) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "autoscalebot top, %s. Ctrl-C ends it.\n\n", now.In(zone).Format("15:04:05 MST"))
	if err != nil {
		fmt.Fprintf(&text, "cannot be read now, so this is from %s: %s\n\n", clock(doc.Time, now, zone), oneLine(err.Error()))
	}
	for i := range doc.Autoscalers {
		d := &doc.Autoscalers[i]
		d.print(&text, doc.App, now, zone)
		text.WriteByte('\n')
		for _, e := range d.Events[max(0, len(d.Events)-topEvents/len(doc.Autoscalers)):] {
			text.WriteString(line(e, d.Name, now, zone) + "\n")
		}
	}
	out := bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte(endOfLine))
	return append(append([]byte(topHome), out...), clearRest...)
}
