package autoscale

import (
	"fmt"
	"time"
)

// ReasonCode names why a [Decider] wishes what it wishes.
type ReasonCode string

// The codes of the deciders in this package. A decider of the host's own may
// use others, with its words in [Reason.Text].
const (
	ReasonUnmeasured  ReasonCode = "unmeasured"    // nothing was measured in this tick, or the decider failed
	ReasonOutside     ReasonCode = "outside"       // the size, Seen, is not within Low to High, the bounds
	ReasonOverride    ReasonCode = "override"      // a person set the size
	ReasonNoSample    ReasonCode = "no_sample"     // nothing the rule could use since the size changed
	ReasonFewSamples  ReasonCode = "few_samples"   // Count samples since the size changed, of Needed
	ReasonWithin      ReasonCode = "within"        // Seen lies between Low and High
	ReasonTooHigh     ReasonCode = "too_high"      // Count samples in a row above High, of Needed
	ReasonTooLow      ReasonCode = "too_low"       // Count samples in a row below Low, of Needed
	ReasonMeanTooHigh ReasonCode = "mean_too_high" // the mean of Count samples, Seen, is above High
	ReasonMeanTooLow  ReasonCode = "mean_too_low"  // the mean of Count samples, Seen, is below Low
)

// A Reason is why a [Decider] wishes what it wishes: a code and its numbers,
// which [Reason.String] makes a sentence of.
type Reason struct {
	Code      ReasonCode
	Signal    Signals // what Seen, Low and High measure; times are in seconds
	Seen      float64 // the measurement, the newest or a mean
	Low, High float64 // the rule's limits; negative: none
	Count     int     // how many samples agree
	Needed    int     // how many must; negative: no number is enough
	Failure   Failure // that the service failed, where that was decisive
	Text      string  // in words, from a decider of the host's own
}

// String says the reason in words.
func (r Reason) String() string {
	if r.Text != "" {
		return r.Text
	}
	switch r.Code {
	case "":
		return "no reason given"
	case ReasonUnmeasured:
		return "nothing was measured"
	case ReasonOutside:
		return fmt.Sprintf("%.0f is outside the bounds %.0f to %.0f", r.Seen, r.Low, r.High)
	case ReasonNoSample:
		return "nothing was measured since the size last changed"
	case ReasonFewSamples:
		return fmt.Sprintf("%d of %d samples since the size last changed", r.Count, r.Needed)
	case ReasonWithin:
		return fmt.Sprintf("%s %s is within %s to %s", r.Signal, r.number(r.Seen), r.number(r.Low), r.number(r.High))
	case ReasonTooHigh:
		return fmt.Sprintf("%s, %s", r.above(), r.streak())
	case ReasonTooLow:
		return fmt.Sprintf("%s %s is below %s, %s", r.Signal, r.number(r.Seen), r.number(r.Low), r.streak())
	case ReasonMeanTooHigh:
		return fmt.Sprintf("mean %s %s of %d samples is above %s", r.Signal, r.number(r.Seen), r.Count, r.number(r.High))
	case ReasonMeanTooLow:
		return fmt.Sprintf("mean %s %s of %d samples is below %s", r.Signal, r.number(r.Seen), r.Count, r.number(r.Low))
	}
	return string(r.Code)
}

func (r Reason) above() string {
	switch r.Failure {
	case Timeout:
		return fmt.Sprintf("no answer within %s", r.number(r.Seen))
	case Refused:
		return "the connection was refused"
	case ServerError:
		return "the service answered with a server error"
	}
	return fmt.Sprintf("%s %s is above %s", r.Signal, r.number(r.Seen), r.number(r.High))
}

func (r Reason) streak() string {
	times := "times"
	if r.Count == 1 {
		times = "time"
	}
	if r.Needed < 0 {
		return fmt.Sprintf("%d %s in a row (never enough)", r.Count, times)
	}
	return fmt.Sprintf("%d %s in a row (%d needed)", r.Count, times, r.Needed)
}

// number formats a measurement of the reason's signal.
func (r Reason) number(v float64) string {
	if v < 0 {
		return "no limit"
	}
	switch r.Signal {
	case SignalLatency, SignalQueueTime, SignalServiceTime:
		return short(time.Duration(v * float64(time.Second)))
	}
	return fmt.Sprintf("%.4g", v)
}
