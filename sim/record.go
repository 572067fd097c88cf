package sim

import "math"

// A bucket holds what happened in one second. Levels (busy slots, requests in
// flight, processes that serve) are kept as differences. A change at time t adds
// the rest of the second to the area, and the change itself to the step. So a
// request that waits for an hour costs no more to book than one that does not wait.
type bucket struct {
	arrivals, done, failed uint32
	busyStep, flightStep   int32
	readyStep              int32
	busy, flight, ready    float64 // areas; whole ones once the second is over
	service, queue         float64 // sums over the requests done
}

// pastSeconds is how far back a View can look.
const pastSeconds = 300

// A recorder books what happens, by the second for controllers and by the
// minute of arrival for the report.
type recorder struct {
	objective, timeout float64

	sec  int64 // the second that is under way
	cur  *bucket
	end  float64 // of the second
	ring []bucket
	mask int64

	busy, flight, ready int64 // levels at the start of the second

	answers     []histogram // of the second in which they were given
	answersMask int64

	minutes [minuteRing]minute
	minute  int64 // the next one to be closed
	closed  func(m int64, v *minute)
}

// minuteRing must be more than one and a half times the longest timeout, in
// minutes.
const (
	minuteRing = 8
	maxTimeout = 5 * 60
)

// A minute holds what happened to the requests that arrived in it.
type minute struct {
	requests, over, failed uint64
	latency                histogram
}

func newRecorder(objective, timeout float64, closed func(int64, *minute)) *recorder {
	r := &recorder{objective: objective, timeout: timeout, closed: closed, end: 1}
	r.ring = make([]bucket, powerOfTwo(pastSeconds+64))
	r.mask = int64(len(r.ring) - 1)
	r.answers = make([]histogram, powerOfTwo(pastSeconds+int(timeout)+3))
	r.answersMask = int64(len(r.answers) - 1)
	r.cur = &r.ring[0]
	return r
}

func powerOfTwo(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// at returns the bucket of a time that is not before the current second.
func (r *recorder) at(t float64) *bucket {
	s := int64(t)
	if s == r.sec {
		return r.cur
	}
	if s < r.sec { // by a rounding error
		s = r.sec
	}
	if s-r.sec+pastSeconds >= int64(len(r.ring)) {
		r.grow(s)
	}
	return &r.ring[s&r.mask]
}

// grow makes room for a backlog that reaches to second s.
func (r *recorder) grow(s int64) {
	ring := make([]bucket, powerOfTwo(int(s-r.sec)+pastSeconds+64))
	mask := int64(len(ring) - 1)
	for i := max(0, r.sec-pastSeconds); i < r.sec-pastSeconds+int64(len(r.ring)); i++ {
		ring[i&mask] = r.ring[i&r.mask]
	}
	r.ring, r.mask = ring, mask
	r.cur = &r.ring[r.sec&r.mask]
}

// occupy books a slot as busy from start to end.
func (r *recorder) occupy(start, end float64) {
	r.busyBy(start, 1)
	r.busyBy(end, -1)
}

func (r *recorder) busyBy(t float64, n int32) {
	b := r.at(t)
	b.busy += float64(n) * (math.Floor(t) + 1 - t)
	b.busyStep += n
}

// enter books the arrival of a request that is accepted.
func (r *recorder) enter(t float64) {
	r.cur.flight += r.end - t
	r.cur.flightStep++
}

// leave books that a process has done its work on a request.
func (r *recorder) leave(end, service, queue float64) {
	b := r.at(end)
	b.flight -= math.Floor(end) + 1 - end
	b.flightStep--
	b.done++
	b.service += service
	b.queue += queue
}

// answer books what the client saw of a request that arrived at t. A latency
// above the timeout is a failure at the timeout.
func (r *recorder) answer(t, latency float64) {
	m := &r.minutes[uint64(t)/60%minuteRing]
	m.requests++
	if latency > r.objective {
		m.over++
		if latency > r.timeout {
			latency = r.timeout
			m.failed++
			r.at(t+latency).failed++
		}
	}
	i := bin(latency)
	m.latency[i]++
	s := int64(t + latency)
	if s < r.sec {
		s = r.sec
	}
	r.answers[s&r.answersMask][i]++
}

// refuse books a request that no process accepted: it has no latency.
func (r *recorder) refuse(t float64) {
	m := &r.minutes[uint64(t)/60%minuteRing]
	m.requests++
	m.over++
	m.failed++
	r.cur.failed++
}

// serving books that n more processes serve.
func (r *recorder) serving(t float64, n int) {
	b := r.at(t)
	b.ready += float64(n) * (math.Floor(t) + 1 - t)
	b.readyStep += int32(n)
}

// roll ends the current second.
func (r *recorder) roll() {
	b := r.cur
	b.busy += float64(r.busy)
	b.flight += float64(r.flight)
	b.ready += float64(r.ready)
	r.busy += int64(b.busyStep)
	r.flight += int64(b.flightStep)
	r.ready += int64(b.readyStep)
	r.sec++
	r.end++
	r.cur = &r.ring[r.sec&r.mask]
	// The oldest bucket becomes the one furthest ahead.
	if old := r.sec - pastSeconds - 1; old >= 0 {
		r.ring[old&r.mask] = bucket{}
		clear(r.answers[old&r.answersMask][:])
	}
	for float64(r.minute+1)*60+r.timeout+1 < float64(r.sec) {
		r.closeMinute()
	}
}

func (r *recorder) closeMinute() {
	m := &r.minutes[r.minute%minuteRing]
	r.closed(r.minute, m)
	*m = minute{}
	r.minute++
}

// finish closes the minutes that are left, up to the one before last.
func (r *recorder) finish(last int64) {
	for r.minute < last {
		r.closeMinute()
	}
}

// A histogram of latencies has sixteen bins an octave, from 61 microseconds to 512
// seconds. The number of a bin is the leading bits of the float.
type histogram [bins]uint32

const (
	bins     = 23 * 16
	binShift = 52 - 4
	binBase  = (1023 - 14) << 4
)

func bin(latency float64) int {
	i := int(math.Float64bits(latency)>>binShift) - binBase
	return min(max(i, 0), bins-1)
}

// binEdge returns the lower edge of bin i.
func binEdge(i int) float64 { return math.Float64frombits(uint64(i+binBase) << binShift) }

// quantile returns the q-th quantile, interpolated within its bin, or 0 if nothing
// was counted.
func quantile[N uint32 | uint64](counts []N, q float64) float64 {
	var total float64
	for _, n := range counts {
		total += float64(n)
	}
	if total == 0 {
		return 0
	}
	rank, sum := q*total, 0.0
	for i, n := range counts {
		if n > 0 && sum+float64(n) >= rank {
			low, high := binEdge(i), binEdge(i+1)
			return low + (high-low)*max(0, (rank-sum)/float64(n))
		}
		sum += float64(n)
	}
	return binEdge(bins)
}
