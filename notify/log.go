package notify

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// Log returns a notifier that logs each event to l, at the event's level. The
// numbers of the event that are not zero are attributes, with the names that they
// have in its JSON. If l is nil, Log uses [slog.Default], which it looks up for
// each event. Notify returns an error of the logger's handler.
//
// [autoscale.Config.Logger] gets every event anyway. Log is for another log, such
// as an audit log that has only the changes.
func Log(l *slog.Logger) autoscale.Notifier { return &logger{l} }

type logger struct{ l *slog.Logger }

func (n *logger) Notify(ctx context.Context, e autoscale.Event) error {
	l := n.l
	if l == nil {
		l = slog.Default()
	}
	// The handler is called directly, because a Logger drops its errors.
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
