package notify

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// Log returns a notifier that logs each event to l, at the event's level, with
// its numbers as attributes under the names that they have in its JSON, where
// they are not zero. Nil: [slog.Default], looked up for each event. An error of
// the logger's handler is returned.
//
// [autoscale.Config.Logger] gets every event anyhow: Log is for another log than
// that one, such as an audit log of the changes alone.
func Log(l *slog.Logger) autoscale.Notifier { return &logger{l} }

type logger struct{ l *slog.Logger }

func (n *logger) Notify(ctx context.Context, e autoscale.Event) error {
	l := n.l
	if l == nil {
		l = slog.Default()
	}
	// The handler is called by itself because a Logger drops its errors.
	h := l.Handler()
	if !h.Enabled(ctx, e.Level()) {
		return nil
	}
	r := slog.NewRecord(e.Time, e.Level(), "autoscale: "+e.String(), 0)
	r.AddAttrs(attrs(e)...)
	if err := h.Handle(ctx, r); err != nil {
		return fmt.Errorf("notify: log: %w", err)
	}
	return nil
}

func (n *logger) Format(f fmt.State, _ rune) { fmt.Fprint(f, "notify.Log") }

func attrs(e autoscale.Event) []slog.Attr {
	a := []slog.Attr{
		slog.String("name", e.Name), slog.String("kind", e.Kind.String()),
		slog.Int("from", e.From), slog.Int("to", e.To), slog.Int("min", e.Min), slog.Int("max", e.Max),
	}
	add := func(set bool, attr slog.Attr) {
		if set {
			a = append(a, attr)
		}
	}
	reason := e.Decision.Reason
	add(e.Phase != autoscale.Occurred, slog.String("phase", e.Phase.String()))
	add(e.Decision.Act, slog.Int("recommended", e.Decision.Size))
	add(reason.Code != "", slog.String("reason_code", string(reason.Code)))
	add(!reason.IsZero(), slog.String("reason", reason.String()))
	add(e.Limit != limit.None, slog.String("limit", e.Limit.String()))
	add(!e.Until.IsZero(), slog.Time("until", e.Until))
	add(!e.Since.IsZero(), slog.Time("since", e.Since))
	add(e.Count != 0, slog.Int("count", e.Count))
	add(e.Detail != "", slog.String("detail", e.Detail))
	add(e.DryRun, slog.Bool("dry_run", true))
	if e.Err != nil {
		a = append(a, slog.String("error", e.Err.Error()))
	}
	return a
}
