package autoscale

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// ReasonCode names why a [Decider] wishes what it wishes.
type ReasonCode string

// The codes of the deciders in this package. A decider of the host's own may
// use others, with its words in [Reason.Text].
const (
	ReasonUnmeasured  ReasonCode = "unmeasured"    // nothing was measured in this tick, or the decider failed
	ReasonWarmingUp   ReasonCode = "warming_up"    // the Prober has only just begun
	ReasonOutside     ReasonCode = "outside"       // the size, Seen, is not within Low to High, the bounds
	ReasonOverride    ReasonCode = "override"      // a person set the size
	ReasonNoSample    ReasonCode = "no_sample"     // nothing the rule could use since the size changed
	ReasonFewSamples  ReasonCode = "few_samples"   // Count samples since the size changed, of Needed
	ReasonWithin      ReasonCode = "within"        // Seen lies between Low and High
	ReasonTooHigh     ReasonCode = "too_high"      // Count samples in a row above High, of Needed
	ReasonTooLow      ReasonCode = "too_low"       // Count samples in a row below Low, of Needed
	ReasonMeanTooHigh ReasonCode = "mean_too_high" // the mean of Count samples, Seen, is above High
	ReasonMeanTooLow  ReasonCode = "mean_too_low"  // the mean of Count samples, Seen, is below Low
	ReasonMissing     ReasonCode = "missing"       // Signal was not measured within Span
	ReasonShort       ReasonCode = "short_history" // Needed processes are enough, but only Seen seconds of Span were measured
	ReasonPeak        ReasonCode = "peak"          // Needed processes are enough now, and Count were needed within Span
	ReasonFading      ReasonCode = "fading"        // Needed processes are enough now, and the load of the last Span asks for Count
	ReasonDemand      ReasonCode = "demand"        // Seen requests at work, at High a process, need Needed processes
	ReasonNoise       ReasonCode = "noise"         // Seen processes are needed, give or take Low: too few requests were counted to tell that from the present size
	ReasonTolerance   ReasonCode = "tolerance"     // Needed processes are enough, which differs from the size, Seen, by no more than the share High
	ReasonRaised      ReasonCode = "raised"        // Needed processes are enough, and the size was raised only Seen seconds ago, less than Span
	ReasonLimit       ReasonCode = "limit"         // as ReasonDemand, at High a process, as it had no more at work while requests waited
	ReasonExceeded    ReasonCode = "exceeded"      // Count of the last Of samples are above High, of Needed
	ReasonQuiet       ReasonCode = "quiet"         // Count of the last Of samples are above Low, fewer than Needed
	ReasonResting     ReasonCode = "resting"       // as ReasonQuiet, but the size changed less than Span ago
	ReasonBacklog     ReasonCode = "backlog"       // Seen jobs waiting, at High a process, need Needed processes
	ReasonAge         ReasonCode = "age"           // the oldest job has waited Seen seconds, above High: Needed processes
	ReasonBusy        ReasonCode = "busy"          // Seen jobs are under way, and must not be cut off
	ReasonIdle        ReasonCode = "idle"          // no job was waiting or under way for Seen seconds, of Span
)

// A Reason is why a [Decider] wishes what it wishes: a code and its numbers,
// which [Reason.String] makes a sentence of.
type Reason struct {
	Code      ReasonCode
	Signal    Signals       // what Seen, Low and High measure; times are in seconds
	Seen      float64       // the measurement, the newest or a mean
	Low, High float64       // the rule's limits; negative: none
	Count     int           // how many samples agree
	Needed    int           // how many must; negative: no number is enough. Or how many processes are needed
	Of        int           // among how many samples
	Failure   Failure       // that the service failed, where that was decisive
	Span      time.Duration // how far back was looked
	Text      string        // in words, from a decider of the host's own
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
	case ReasonWarmingUp:
		return "the prober is warming up"
	case ReasonRaised:
		return fmt.Sprintf("%d processes are enough now, and the size was raised %s ago: it does not fall for %s", r.Needed, names.Duration(time.Duration(r.Seen*float64(time.Second))), names.Duration(r.Span))
	case ReasonTolerance:
		return fmt.Sprintf("%s needed, within %.0f %% of the size of %.0f", are(r.Needed), 100*r.High, r.Seen)
	case ReasonNoise:
		return fmt.Sprintf("%.2f processes are needed, give or take %.2f: too few requests were counted to tell that from the present size", r.Seen, r.Low)
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
	case ReasonMissing:
		return fmt.Sprintf("%s was not measured within the last %s", strings.ReplaceAll(r.Signal.String(), "|", " or "), names.Duration(r.Span))
	case ReasonShort:
		return fmt.Sprintf("%s enough now, but only %s of %s were measured", are(r.Needed), names.Duration(seconds(r.Seen)), names.Duration(r.Span))
	case ReasonPeak:
		return fmt.Sprintf("%s enough now, but %d were needed within the last %s", are(r.Needed), r.Count, names.Duration(r.Span))
	case ReasonFading:
		return fmt.Sprintf("%s enough now, and %d for the load of the last %s", are(r.Needed), r.Count, names.Duration(r.Span))
	case ReasonDemand:
		if r.Signal.Has(SignalUtilization) {
			return fmt.Sprintf("%.4g processes' full utilization, at %.4g each, needs %d", r.Seen, r.High, r.Needed)
		}
		return fmt.Sprintf("%.4g requests at work at once, at %.4g a process, need %d", r.Seen, r.High, r.Needed)
	case ReasonLimit:
		return fmt.Sprintf("%.4g requests at work at once, at %.4g a process, which did no more while requests waited, need %d", r.Seen, r.High, r.Needed)
	case ReasonExceeded:
		if r.High < 0 {
			return fmt.Sprintf("%d of the last %d samples failed (%d needed)", r.Count, r.Of, r.Needed)
		}
		return fmt.Sprintf("%d of the last %d samples are above %s (%d needed)", r.Count, r.Of, r.number(r.High), r.Needed)
	case ReasonQuiet:
		return fmt.Sprintf("%d of the last %d samples are above %s (fewer than %d needed)", r.Count, r.Of, r.number(r.Low), r.Needed)
	case ReasonResting:
		return fmt.Sprintf("%d of the last %d samples are above %s, but the size changed less than %s ago", r.Count, r.Of, r.number(r.Low), names.Duration(r.Span))
	case ReasonBacklog:
		return fmt.Sprintf("%s waiting, at %.4g a process, need %d", jobs(r.Seen), r.High, r.Needed)
	case ReasonAge:
		return fmt.Sprintf("the oldest job has waited %s, above %s, which takes %d", r.number(r.Seen), r.number(r.High), r.Needed)
	case ReasonBusy:
		return jobs(r.Seen) + " under way"
	case ReasonIdle:
		if r.Span < 0 {
			return "no job is waiting or under way"
		}
		return fmt.Sprintf("no job was waiting or under way for %s (%s needed)", names.Duration(seconds(r.Seen)), names.Duration(r.Span))
	}
	return string(r.Code)
}

func jobs(n float64) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%.6g jobs", n)
}

func are(processes int) string {
	if processes == 1 {
		return "1 process is"
	}
	return fmt.Sprintf("%d processes are", processes)
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

// seconds returns v as a time, the longest one where it is longer: what becomes
// of a number that does not fit is up to the machine.
func seconds(v float64) time.Duration {
	if v *= float64(time.Second); v < math.MaxInt64 {
		return time.Duration(max(v, -math.MaxInt64))
	}
	return math.MaxInt64
}

// number formats a measurement of the reason's signal.
func (r Reason) number(v float64) string {
	if v < 0 {
		return "no limit"
	}
	switch r.Signal {
	case SignalLatency, SignalQueueTime, SignalServiceTime:
		return names.Duration(seconds(v))
	}
	return fmt.Sprintf("%.4g", v)
}
