package autoscale

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// A Prober measures how loaded the service is.
type Prober interface {
	// Probe measures once. Set what was measured with [Sample.Set], or with a literal
	// such as Sample{Signals: SignalLatency, Latency: d}. An error means that nothing
	// was measured, and the size is held. A service that failed under its load is not an
	// error but a [Sample] with a [Failure]. Probe returns soon after ctx ends.
	Probe(ctx context.Context) (Sample, error)
}

// ProberFunc lets an ordinary function be a [Prober].
type ProberFunc func(ctx context.Context) (Sample, error)

// Probe calls f(ctx).
func (f ProberFunc) Probe(ctx context.Context) (Sample, error) { return f(ctx) }

// Signals is a set of things that can be measured.
type Signals uint16

// The signals, each with the field of [Sample] that holds it.
const (
	SignalLatency     Signals = 1 << iota // Sample.Latency
	SignalQueueTime                       // Sample.QueueTime
	SignalServiceTime                     // Sample.ServiceTime
	SignalThroughput                      // Sample.Throughput
	SignalArrivals                        // Sample.Arrivals
	SignalBusy                            // Sample.Busy
	SignalUtilization                     // Sample.Utilization
	SignalBacklog                         // Sample.Backlog
	SignalValue                           // Sample.Value
)

// Lists by signal are in the order of the constants: signalNames, signalFormats,
// [Sample.field] and sampleOut.fields.
var signalNames = [...]string{
	"latency", "queue_time", "service_time", "throughput", "arrivals", "busy", "utilization", "backlog", "value",
}

// signalFormats is how [Sample.String] writes each signal.
var signalFormats = [len(signalNames)]string{
	"latency %s", "queue time %s", "service time %s", "throughput %.4g/s", "arrivals %.4g/s", "busy %.4g",
	"utilization %.4g", "backlog %.6g", "value %.6g",
}

// Has reports whether s contains every signal of other.
func (s Signals) Has(other Signals) bool { return s&other == other }

// String returns the names of the signals in s, as "latency|throughput", and
// "none" for no signal.
func (s Signals) String() string { return names.OfSet(signalNames[:], uint32(s)) }

// MarshalText returns [Signals.String].
func (s Signals) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (s *Signals) UnmarshalText(text []byte) error {
	set, err := names.ParseSet(signalNames[:], text, "signal")
	*s = Signals(set)
	return err
}

// Failure is the way in which the service failed a probe under its load.
type Failure uint8

// The failures of a service.
const (
	NoFailure   Failure = iota
	Timeout             // no answer within the probe's timeout
	Refused             // the connection was refused, reset, or closed without an answer
	ServerError         // a status of 500 or above, other than the heartbeat's own
)

var failureNames = [...]string{"none", "timeout", "refused", "server_error"}

// String returns the failure's name in lower case.
func (f Failure) String() string { return names.Of(failureNames[:], int(f), "Failure") }

// MarshalText returns [Failure.String].
func (f Failure) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (f *Failure) UnmarshalText(text []byte) error {
	i, err := names.Parse(failureNames[:], text, "failure")
	*f = Failure(i)
	return err
}

// A Sample is what one probe saw. A field counts only if Signals names it.
type Sample struct {
	Time        time.Time     // when the measurement ended. Zero: when the tick began
	Signals     Signals       // which of the fields below were measured
	Latency     time.Duration // how long a response took, or the prober's percentile of many
	QueueTime   time.Duration // how long work waited before a process began it, by the prober's mean or median
	ServiceTime time.Duration // mean time that the work itself took
	Throughput  float64       // work done per second, by the whole service
	Arrivals    float64       // work begun or queued per second, in the whole service. Under overload it exceeds Throughput
	Busy        float64       // mean work in progress over the prober's window, in the whole service
	Utilization float64       // the share of the processes' capacity that is in use, 0 to 1
	Backlog     float64       // work waiting, in jobs
	Value       float64       // a number of the host's own
	Failure     Failure       // whether the service failed
	Detail      string        // the failure in words, without secrets

	// Peak is the most work that was in progress at once in a single process.
	// 0: not known.
	Peak float64

	// PoolWaiting is how many callers waited for a connection of a database's pool, on
	// average since the last probe, in the process that probes. See probe.SQLPool. 0: none,
	// or not known.
	PoolWaiting float64

	// Span is the time over which Throughput, Arrivals and Busy were measured.
	// It ends at Time. 0: a moment.
	Span time.Duration

	// Processes is how many processes Throughput, Arrivals and Busy were measured in.
	// It is 1 for a prober inside one of many processes. The [Autoscaler] then
	// estimates them for the whole service, from how many processes served during
	// Span. The estimate assumes that a router spreads the work evenly or at random.
	// 0: all processes were measured.
	Processes int

	// Breakdown has the pieces of Span, if a prober measured each on its own. Their
	// Processes then count instead of the field above. The [Autoscaler] clears
	// Breakdown. Nil: the span is one piece.
	Breakdown *Breakdown

	// Requests is how many arrivals were counted. It says how exact Arrivals is. The
	// [Autoscaler] sets it if Processes or Breakdown is set. 0: not known.
	Requests float64

	// Ready is the harmonic mean of how many processes served during Span. The
	// [Autoscaler] sets it. 0: not known.
	Ready float64
}

// A Breakdown has the pieces from which a [Sample] of some of the processes was computed.
type Breakdown struct {
	Pieces []Piece // oldest first
}

// A Piece is what some of the processes measured in a piece of a [Sample]'s Span.
type Piece struct {
	Time       time.Time     // when the piece ended
	Span       time.Duration // how long it was
	Processes  int           // in how many processes it was measured, 1 or more
	Throughput float64       // work done per second, in these processes
	Arrivals   float64       // work begun per second, in these processes
	Busy       float64       // work in progress, mean, in these processes
}

// ErrWarmingUp is wrapped by the error of a [Prober] that has measured nothing yet
// because it has just started. For the first two minutes that is not a failure: the size
// is held, and no alarm is raised.
var ErrWarmingUp = errors.New("warming up: nothing is measured yet")

// String lists the measured signals and the failure, as in "latency 231ms".
func (s Sample) String() string {
	var parts []string
	for i, format := range signalFormats {
		signal := Signals(1) << i
		if !s.Signals.Has(signal) {
			continue
		}
		if duration, number := s.field(signal); duration != nil {
			parts = append(parts, fmt.Sprintf(format, names.Duration(*duration)))
		} else {
			parts = append(parts, fmt.Sprintf(format, *number))
		}
	}
	if s.Failure != NoFailure {
		parts = append(parts, "failed: "+s.Failure.String())
	}
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// field returns the field of one signal: a time or, if that is nil, a number. Both are nil
// if signal is not one signal.
func (s *Sample) field(signal Signals) (*time.Duration, *float64) {
	switch signal {
	case SignalLatency:
		return &s.Latency, nil
	case SignalQueueTime:
		return &s.QueueTime, nil
	case SignalServiceTime:
		return &s.ServiceTime, nil
	case SignalThroughput:
		return nil, &s.Throughput
	case SignalArrivals:
		return nil, &s.Arrivals
	case SignalBusy:
		return nil, &s.Busy
	case SignalUtilization:
		return nil, &s.Utilization
	case SignalBacklog:
		return nil, &s.Backlog
	case SignalValue:
		return nil, &s.Value
	}
	return nil, nil
}

// value returns the field of one signal, in seconds if it is a time.
func (s *Sample) value(signal Signals) float64 {
	duration, number := s.field(signal)
	if duration != nil {
		return duration.Seconds()
	}
	return *number
}

// put sets the field of one signal and its bit in Signals. v is in seconds if the field is
// a time, and is rounded to whole nanoseconds.
func (s *Sample) put(signal Signals, v float64) {
	if duration, number := s.field(signal); duration != nil {
		*duration = time.Duration(math.Round(v * float64(time.Second)))
	} else {
		*number = v
	}
	s.Signals |= signal
}

// Set sets the field of one signal, and the signal's bit in Signals. v is in seconds if
// the field is a time, and is rounded to whole nanoseconds. Set returns an error, and
// changes nothing, in four cases: signal is not one signal; v is not finite; v is negative
// and signal is not [SignalValue]; v is longer than a [time.Duration] can be.
func (s *Sample) Set(signal Signals, v float64) error {
	duration, number := s.field(signal)
	switch {
	case duration == nil && number == nil:
		return fmt.Errorf("%v (%d) is not one signal", signal, signal)
	case v-v != 0:
		return fmt.Errorf("%v, which is not a measurement", v)
	case v < 0 && signal != SignalValue:
		return fmt.Errorf("%v, and no %v is negative", v, signal)
	case duration != nil && v >= math.MaxInt64/1e9:
		return fmt.Errorf("%v, and no %v is that long: it must be in seconds", v, signal)
	}
	s.put(signal, v)
	return nil
}

// AddDetail adds text to Detail, after a semicolon if there is some already.
func (s *Sample) AddDetail(detail string) {
	switch {
	case detail == "":
	case s.Detail == "":
		s.Detail = detail
	default:
		s.Detail += "; " + detail
	}
}

// shares are the signals that a prober may measure in only some of the processes.
const shares = SignalThroughput | SignalArrivals | SignalBusy
