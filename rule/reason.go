package rule

import (
	"fmt"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
)

// The codes that several rules share. The codes of a single rule are beside that rule.
// The details of all reasons are values, which are formatted when they are read.
const (
	ReasonFewSamples autoscale.ReasonCode = "few_samples"   // fewer samples than the rule needs
	ReasonMissing    autoscale.ReasonCode = "missing"       // a signal that the rule needs was not measured
	ReasonShort      autoscale.ReasonCode = "short_history" // fewer are needed now, but not all of the window was measured yet
)

// fewSamples is the detail of ReasonFewSamples.
type fewSamples struct {
	count, needed int
	sinceChange   bool // only those taken since the size last changed count
}

func (f fewSamples) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonFewSamples, Detail: f}
}

func (f fewSamples) String() string {
	if f.sinceChange {
		return fmt.Sprintf("%d of %d samples since the size last changed", f.count, f.needed)
	}
	return fmt.Sprintf("%d of %d samples that a baseline needs", f.count, f.needed)
}

// missing is the detail of ReasonMissing.
type missing struct {
	signals autoscale.Signals // one of them is needed
	within  time.Duration
}

func (m missing) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonMissing, Detail: m}
}

func (m missing) String() string {
	return fmt.Sprintf("%s was not measured within the last %s",
		strings.ReplaceAll(m.signals.String(), "|", " or "), names.Duration(m.within))
}

// shortHistory is the detail of ReasonShort.
type shortHistory struct {
	needed           int // processes
	measured, window time.Duration
}

func (h shortHistory) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonShort, Detail: h}
}

func (h shortHistory) String() string {
	return fmt.Sprintf("%s enough now, but only %s of %s were measured",
		processesAre(h.needed), names.Duration(h.measured), names.Duration(h.window))
}

func processesAre(n int) string {
	if n == 1 {
		return "1 process is"
	}
	return fmt.Sprintf("%d processes are", n)
}
