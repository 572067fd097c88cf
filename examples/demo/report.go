package main

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A report is what came of a run.
type report struct {
	script   script
	lasted   time.Duration
	served   served
	sizes    []size
	used     time.Duration // of dynos, all together
	orders   int           // that the Platform API took
	calls    int           // of the Platform API
	measured int           // samples
	unknown  int           // that measured nothing
	notified map[autoscale.EventKind]int
}

// A size is how many dynos were ordered, and when.
type size struct {
	at time.Duration
	n  int
}

// report adds up what the parts themselves counted.
func (st *story) report(p *platform, crowd *people) report {
	used, calls, writes := p.used(), p.api.Requests(), p.api.Writes()
	st.mu.Lock()
	defer st.mu.Unlock()
	r := report{
		script: st.script, lasted: time.Since(st.start), served: crowd.all(),
		sizes: []size{{0, st.script.min}}, used: used,
		calls: len(calls), orders: len(writes), notified: maps.Clone(st.notified),
	}
	for _, w := range writes {
		r.sizes = append(r.sizes, size{w.Time.Sub(st.start), w.To})
	}
	for _, m := range st.measurements {
		if m.measured {
			r.measured++
		} else {
			r.unknown++
		}
	}
	return r
}

// highest returns the largest size that was ordered.
func (r report) highest() int {
	n := 0
	for _, s := range r.sizes {
		n = max(n, s.n)
	}
	return n
}

// verdict returns an error if the service was not scaled up and down again.
func (r report) verdict(s script) error {
	last := r.sizes[len(r.sizes)-1].n
	switch {
	case r.highest() < s.min+2:
		return fmt.Errorf("the load took three dynos and more, but no more than %d were ordered", r.highest())
	case last != s.min:
		return fmt.Errorf("the load is over, but there are still %d dynos instead of %d", last, s.min)
	}
	return nil
}

// write writes the report as lines.
func (r report) write(w io.Writer) {
	s := r.script
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	var sizes strings.Builder
	for i, z := range r.sizes {
		if i > 0 {
			fmt.Fprintf(&sizes, ", %d at %s", z.n, clock(z.at))
		} else {
			fmt.Fprintf(&sizes, "%d", z.n)
		}
	}
	all := time.Duration(s.max) * r.lasted
	line("load", "from %.0f to %.0f requests a second and back in %s: %d pages", s.quiet, s.peak, clock(r.lasted), r.served.pages)
	line("dynos ordered", "%s", sizes.String())
	line("pages", "%.1f%% took over %v (%d) or failed (%d); median %v, 95%% within %v", 100*r.served.bad(),
		s.slow, r.served.slow, r.served.failed, r.served.median.Round(time.Millisecond), r.served.p95.Round(time.Millisecond))
	line("dyno time", "%.0f dyno-seconds, %.0f%% of the %.0f of %d dynos all the time", r.used.Seconds(),
		100*r.used.Seconds()/all.Seconds(), all.Seconds(), s.max)
	line(s.signal(), "measured %d times, and %d times not", r.measured, r.unknown)
	line("Platform API", "%d calls, of which %d orders", r.calls, r.orders)
	line("notifications", "%s", counts(r.notified))
	line("seed", "%d", s.seed)
	if err := r.verdict(s); err != nil {
		line("result", "FAILED: %v", err)
		return
	}
	line("result", "scaled from %d up to %d and down to %d again", s.min, r.highest(), s.min)
}

func counts(of map[autoscale.EventKind]int) string {
	var parts []string
	for kind := autoscale.EventKind(1); kind <= autoscale.AllKinds; kind <<= 1 {
		if n := of[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, kind))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// clock writes a time since the start as minutes and seconds.
func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
}
