package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/settings"
)

// check makes one tick that changes nothing and notifies nobody, and prints what
// came of it.
func (c *command) check(ctx context.Context) int {
	s, _, ok := c.load()
	if !ok {
		return exitUsage
	}
	from := "the environment"
	if c.settings != "" {
		from = c.settings + " and the environment"
	}
	c.row("settings", "right, from %s", from)
	for _, w := range s.Warnings {
		c.row("", "but %s", w)
	}
	if text := itself(s); text != "" {
		c.row("", "but %s", text)
	}

	cfg := s.Config
	cfg.DryRun = true
	cfg.Notifiers = nil
	cfg.Logger = slog.New(slog.DiscardHandler) // what it would say is said below
	var probed, read autoscale.Event
	cfg.Observe = func(e autoscale.Event) {
		switch e.Kind {
		case autoscale.Probed, autoscale.ProbeFailed:
			probed = e
		case autoscale.ScaleFailed:
			read = e
		}
	}
	now := time.Now()
	c.row("app", "%s, process type %s", s.App, cfg.Name)
	c.row("time zone", "%s", zone(s, now))
	c.row("bounds", "%s", bounds(s, now))

	a := autoscale.New(cfg)
	d, err := a.Tick(ctx, now)
	st := a.Status()

	switch {
	case probed.Err != nil:
		c.row("heartbeat", "%s: nothing was measured: %v", s.Heartbeat, probed.Err)
	case probed.Sample.Failure == autoscale.Refused:
		c.row("heartbeat", "%s: no response, so nothing says how slow the app is: %s. autoscalebot counts this as a failure of the app under its load", s.Heartbeat, probed.Sample.Detail)
	case probed.Kind != 0:
		c.row("heartbeat", "%s: %v%s", s.Heartbeat, probed.Sample, limits(cfg.Decider))
	}
	switch {
	case read.Err != nil:
		c.row("size", "%v", read.Err)
	case st.Known:
		c.row("size", "%s", ordered(st.Capacity))
		c.notes(cfg.Scaler)
	}
	mayOrder := !st.Known || c.mayOrder(ctx, cfg.Scaler)
	switch {
	case err == nil:
		c.row("now", "%s", sentence(st))
		if probed.Sample.Failure == autoscale.Refused {
			c.row("failed", "nothing answers at the address of the heartbeat: check that the app is up, and the setting of the address")
			return exitFailed
		}
		if !mayOrder {
			c.row("failed", "autoscalebot cannot order with these credentials")
			return exitFailed
		}
		return exitOK
	case ctx.Err() != nil || probed.Kind == 0 && read.Kind == 0:
		c.row("failed", "%v", err)
	case d.Act:
		c.row("failed", "autoscalebot would scale to %d anyway: %v", d.Size, d.Reason)
	default:
		c.row("failed", "autoscalebot would hold the size, and try again every %v", cfg.Interval)
	}
	return exitFailed
}

// mayOrder says whether an order is permitted, as far as that is known without an order. It
// returns false if it is not.
func (c *command) mayOrder(ctx context.Context, s autoscale.Scaler) bool {
	if d, ok := part.As[interface {
		CheckOrder(ctx context.Context) error
	}](s); ok {
		if err := d.CheckOrder(ctx); err != nil {
			c.row("order", "would be refused: %v", err)
			return false
		}
		c.row("order", "is permitted, according to a dry run")
		return true
	}
	t, ok := part.As[interface{ Scopes() []string }](s)
	if !ok {
		c.row("order", "check orders nothing, so only the first order shows whether it is permitted")
		return true
	}
	switch scopes := t.Scopes(); {
	case scopes == nil:
		c.row("token", "it is not known whether it may order: the API did not say its scope, and check orders nothing")
	case slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains([]string{"global", "write", "write-protected"}, s) }):
		c.row("token", "has the scope %s, which permits orders; only the first order shows whether its account may scale this app", strings.Join(scopes, " "))
	default:
		c.row("token", "has the scope %s, which permits no order: make one with heroku authorizations:create --scope write, and set HEROKU_API_KEY to it", strings.Join(scopes, " "))
		return false
	}
	return true
}

// notes prints what the Scaler knows and somebody should know.
func (c *command) notes(s autoscale.Scaler) {
	if n, ok := part.As[interface{ Notes() []string }](s); ok {
		for _, note := range n.Notes() {
			c.row("", "but %s", note)
		}
	}
}

// row prints one line, with its subject in a column of its own.
func (c *command) row(subject, format string, args ...any) {
	fmt.Fprintf(c.stdout, "%-10s %s\n", subject, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
}

// bounds says between which sizes the app is kept, and until when.
func bounds(s *settings.Settings, now time.Time) string {
	low, high := s.Config.Min, s.Config.Max
	text := sizes(low.At(now), high.At(now))
	next, other := low.Next(now), high.Next(now)
	if next.IsZero() || !other.IsZero() && other.Before(next) {
		next = other
	}
	if next.IsZero() {
		return text
	}
	return fmt.Sprintf("%s until %s, then %d to %d", text, next.In(s.Zone).Format("Mon 15:04 MST"), low.At(next), high.At(next))
}

// sizes writes "1 to 3 processes", or "1 process" if both bounds are 1.
func sizes(low, high int) string {
	if low == high {
		return names.Count(low, "process", "processes")
	}
	return fmt.Sprintf("%d to %d processes", low, high)
}

// limits says between which latencies a response is just right.
func limits(d autoscale.Decider) string {
	var low, high time.Duration
	switch d := d.(type) {
	case autoscale.Consecutive:
		low, high = d.Low, d.High
	case rule.Average:
		low, high = d.Low, d.High
	default:
		return "" // the rule has no such limits
	}
	if low < 0 {
		return fmt.Sprintf("; at most %v is right", high)
	}
	return fmt.Sprintf("; %v to %v is just right", low, high)
}

func ordered(c autoscale.Capacity) string {
	text := names.Count(c.Desired, "process", "processes") + " ordered"
	if c.Pending > 0 {
		text += fmt.Sprintf(", %d of them starting", c.Pending)
	}
	if c.Maintenance {
		text += "; the app is in maintenance"
	}
	return text
}

// sentence says what autoscalebot would do now.
func sentence(st autoscale.Status) string {
	verb := "would hold"
	if st.Last.Decision.Act {
		verb = "would scale"
	}
	return fmt.Sprintf("autoscalebot %s: %s", verb, strings.TrimPrefix(st.String(), st.Name+": "))
}
