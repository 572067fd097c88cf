package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/status"
)

// usage reports wrong arguments.
func (c *command) usage(subcommand string, err error) int {
	fmt.Fprintf(c.stderr, "autoscalebot: %s: %v\nautoscalebot %s --help lists what there is.\n", subcommand, err, subcommand)
	return exitUsage
}

// failed reports what failed.
func (c *command) failed(subcommand string, err error) int {
	fmt.Fprintf(c.stderr, "autoscalebot: %s: %s\n", subcommand, oneLine(strings.ReplaceAll(err.Error(), "\n", "; ")))
	return exitFailed
}

func (c *command) printJSON(v any) int {
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return c.failed("print", err)
	}
	return exitOK
}

// status prints what an autoscaler did last, and why.
func (c *command) status(ctx context.Context) int {
	return c.show(ctx, "status", func(d *described, app string, now time.Time, zone *time.Location) {
		d.print(c.stdout, app, now, zone)
	})
}

// events prints what happened last.
func (c *command) events(ctx context.Context) int {
	return c.show(ctx, "events", func(d *described, _ string, now time.Time, zone *time.Location) {
		if len(d.Events) == 0 {
			fmt.Fprintf(c.stdout, "nothing has happened to %s yet\n", d.Name)
		}
		for _, e := range d.Events {
			fmt.Fprintln(c.stdout, line(e, d.Name, now, zone))
		}
		if d.Command != "" {
			fmt.Fprintf(c.stdout, "now %s\n", local(oneLine(d.Command), now, zone))
		}
	})
}

// line writes an event for people: when, what kind, and the sentence, which says who.
func line(h status.Event, name string, now time.Time, zone *time.Location) string {
	return fmt.Sprintf("%-16s %-15s %s", clock(h.Time, now, zone), h.Kind, local(oneLine(strings.TrimPrefix(h.Text, name+": ")), now, zone))
}

// show reads once, and prints as JSON or as text.
func (c *command) show(ctx context.Context, subcommand string, text func(*described, string, time.Time, *time.Location)) int {
	zone, err := c.zone()
	var from source
	if err == nil {
		from, err = c.source()
	}
	if err != nil {
		return c.usage(subcommand, err)
	}
	doc, err := from.read(ctx)
	if err != nil {
		return c.failed(subcommand, err)
	}
	if c.target.json {
		if subcommand != "events" {
			return c.printJSON(doc)
		}
		all := []status.Event{}
		for _, d := range doc.Autoscalers {
			all = append(all, d.Events...)
		}
		return c.printJSON(all)
	}
	for i := range doc.Autoscalers {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		text(&doc.Autoscalers[i], doc.App, time.Now(), zone)
	}
	return exitOK
}

// pause holds the size, until a time or until resume.
func (c *command) pause(ctx context.Context) int {
	return c.order(ctx, order{Action: "pause"}, c.args)
}

// resume ends a pause and an override.
func (c *command) resume(ctx context.Context) int { return c.order(ctx, order{Action: "resume"}, nil) }

// override sets the size until a time.
func (c *command) override(ctx context.Context) int {
	const example = "write override 5 until 18:00, or override 5 for 2h"
	if len(c.args) == 0 {
		return c.usage("override", fmt.Errorf("how many processes, and until when? %s", strings.ToUpper(example[:1])+example[1:]))
	}
	size, err := strconv.Atoi(c.args[0])
	if err != nil || size < 0 {
		return c.usage("override", fmt.Errorf("the size is %q: it must be a whole number, 0 or more: %s", c.args[0], example))
	}
	if len(c.args) == 1 {
		return c.usage("override", fmt.Errorf("until when? An override needs an end: write override %d until 18:00, or override %d for 2h", size, size))
	}
	return c.order(ctx, order{Action: "override", Size: &size}, c.args[1:])
}

// order gives o, whose end the words say.
func (c *command) order(ctx context.Context, o order, words []string) int {
	zone, err := c.zone()
	if err == nil {
		o.Until, err = end(words, time.Now(), zone)
	}
	var from source
	if err == nil {
		from, err = c.source()
	}
	if err != nil {
		return c.usage(o.Action, err)
	}
	o.Until, o.By = o.Until.UTC().Truncate(time.Second), c.target.by
	if err := from.give(ctx, o); err != nil {
		return c.failed(o.Action, err)
	}
	// What is read now says whether somebody is there to obey.
	doc, err := from.read(ctx)
	if err != nil {
		return c.failed(o.Action, fmt.Errorf("the command was given, but its effect cannot be seen: %w", err))
	}
	d := doc.named(c.target.name)
	o.Name = d.Name
	if c.target.json {
		return c.printJSON(o)
	}
	now := time.Now()
	fmt.Fprintf(c.stdout, "%s %s%s. The leader obeys within about ten seconds and its next tick; status shows it.\n", d.Name, o.words(now, zone), by(o.By))
	switch age := now.Sub(d.Ticked); {
	case d.Ticked.IsZero() || age > stale:
		fmt.Fprintf(c.stderr, "autoscalebot: no process seems to lead now: the next leader will obey. Check whether the service runs.\n")
	case o.Size != nil && (*o.Size < d.Min || *o.Size > d.Max):
		fmt.Fprintf(c.stderr, "autoscalebot: %d is outside the bounds %d to %d: the leader brings it to the nearest of them. Change Min or Max for another size.\n", *o.Size, d.Min, d.Max)
	}
	return exitOK
}

// named returns the autoscaler of a process type, or the first one.
func (doc *document) named(name string) described {
	for _, d := range doc.Autoscalers {
		if d.Name == name || name == "" {
			return d
		}
	}
	return described{status.Autoscaler{Name: name}}
}

// words says what was ordered.
func (o order) words(now time.Time, zone *time.Location) string {
	until := ""
	if !o.Until.IsZero() {
		until = " until " + clock(o.Until, now, zone)
	}
	switch {
	case o.Action == "resume":
		return "resumes"
	case o.Action == "override":
		return fmt.Sprintf("is set to %d%s", *o.Size, until)
	case until == "":
		return "is paused until autoscalebot resume"
	}
	return "is paused" + until
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return ", by " + oneLine(who)
}
