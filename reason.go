package autoscale

import (
	"encoding/json"
	"fmt"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// A ReasonCode names a [Reason] for machines. It does not depend on the numbers.
type ReasonCode string

// The codes of an [Autoscaler] and of [Consecutive]. Package rule has the codes of its
// rules.
const (
	ReasonUnmeasured ReasonCode = "unmeasured" // nothing was measured in this tick, or the Decider failed
	ReasonWarmingUp  ReasonCode = "warming_up" // the Prober has just started
	ReasonOutside    ReasonCode = "outside"    // the size is outside the bounds
	ReasonOverride   ReasonCode = "override"   // a person set the size
	ReasonNoSample   ReasonCode = "no_sample"  // no usable sample since the size last changed
	ReasonWithin     ReasonCode = "within"     // the latency is neither too high nor too low
	ReasonTooHigh    ReasonCode = "too_high"   // the latency of samples in a row is too high
	ReasonTooLow     ReasonCode = "too_low"    // the latency of samples in a row is too low
)

// A Reason is why a [Decider] decides as it does. The zero Reason gives none.
type Reason struct {
	// Code names the reason for machines.
	Code ReasonCode

	// Detail says the reason in a sentence for people, without a full stop. Any
	// goroutine may format it, perhaps minutes later. So it must be a value, or a
	// pointer to one that no longer changes. Nil: a sentence for the Code. Your own
	// rule can use [ReasonText].
	//
	// Only the Code and the sentence are saved, and at most 200 bytes of each. A
	// Reason that was loaded has a ReasonText.
	Detail fmt.Stringer
}

// ReasonText is a [Reason.Detail] in words.
type ReasonText string

// String returns the text.
func (t ReasonText) String() string { return string(t) }

// IsZero reports whether r gives no reason. Use it instead of ==, which panics if the
// type of Detail cannot be compared.
func (r Reason) IsZero() bool { return r.Code == "" && r.Detail == nil }

// String returns the sentence of Detail, at most 500 bytes of it, or one for the Code. If
// Detail panics, the text says so.
func (r Reason) String() string {
	if r.Detail != nil {
		return guard.Cut(fmt.Sprint(r.Detail), maxDetail) // Sprint recovers
	}
	switch r.Code {
	case "":
		return "no reason given"
	case ReasonUnmeasured:
		return "nothing was measured"
	case ReasonWarmingUp:
		return "the prober is warming up"
	case ReasonOutside:
		return "the size is outside the bounds"
	case ReasonOverride:
		return "somebody set the size"
	case ReasonNoSample:
		return "nothing was measured since the size last changed"
	}
	return string(r.Code)
}

// reasonJSON is a Reason in JSON.
type reasonJSON struct {
	Code ReasonCode `json:"code,omitempty"`
	Text string     `json:"text,omitempty"`
}

// MarshalJSON writes the code and the sentence, as in {"code": "too_high", "text": "…"}.
func (r Reason) MarshalJSON() ([]byte, error) {
	out := reasonJSON{Code: r.Code}
	if !r.IsZero() {
		out.Text = r.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. The Detail becomes a [ReasonText].
func (r *Reason) UnmarshalJSON(data []byte) error {
	var in reasonJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Reason{Code: in.Code}
	if in.Text != "" {
		r.Detail = ReasonText(in.Text)
	}
	return nil
}

// outside is the detail of ReasonOutside.
type outside struct{ size, min, max int }

func (o outside) String() string {
	return fmt.Sprintf("%d is outside the bounds %d to %d", o.size, o.min, o.max)
}
