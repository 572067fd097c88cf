package sim

import (
	"time"
)

// A Report has the results of a simulation. Times and rates are of the simulated service.
// Requests count at their time of arrival.
type Report struct {
	Name     string        `json:"name"`
	View     string        `json:"view"` // what the Controller saw: "ideal", "heartbeat", "deployed: one process", "deployed: metrics board every 10s"
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration_ns"`

	Requests uint64  `json:"requests"`
	Over     uint64  `json:"over"`      // took longer than the objective, or failed
	Failed   uint64  `json:"failed"`    // timed out, were refused, or found no process
	BadShare float64 `json:"bad_share"` // Over divided by Requests

	Minutes    int `json:"minutes"`     // in which requests arrived
	BadMinutes int `json:"bad_minutes"` // those of the Minutes with more requests over than the objective's share

	// Percentiles of the latency, to within about three percent. A request that timed out
	// counts with the timeout. A request that was refused does not count.
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
	P99 time.Duration `json:"p99_ns"`

	ProcessHours float64 `json:"process_hours"` // ordered, as platforms charge them
	DemandHours  float64 `json:"demand_hours"`  // of the fewest processes that meet the objective
	CostRatio    float64 `json:"cost_ratio"`    // ProcessHours over DemandHours
	Price        float64 `json:"price"`         // of a process-hour
	Cost         float64 `json:"cost"`          // Price times ProcessHours

	Changes     int        `json:"changes"` // of the size ordered
	Ups         int        `json:"ups"`
	MaxSize     int        `json:"max_size"`
	Kills       int        `json:"kills"`              // processes that were killed
	Leaders     int        `json:"leaders"`            // how often a process began to lead in a DeployedView, including the first
	Utilization float64    `json:"target_utilization"` // at which a process just meets the objective
	Elasticity  Elasticity `json:"elasticity"`

	Objective Objective `json:"objective"`
	Series    Series    `json:"series"`
}

// A Series is a simulation over time. It has at most two thousand points, however long the
// load is. If there would be more, each two points are merged.
type Series struct {
	Step   time.Duration `json:"step_ns"` // from one point to the next
	Points []Point       `json:"points"`
}

// A Point is what happened in one step of a [Series].
type Point struct {
	Rate     float64       `json:"rate"`    // requests per second
	Demand   float64       `json:"demand"`  // processes, mean of the minutes
	Desired  float64       `json:"desired"` // processes ordered, mean of the minutes
	Ready    float64       `json:"ready"`   // processes that serve, mean of the minutes
	Requests uint64        `json:"requests"`
	Over     uint64        `json:"over"`
	P50      time.Duration `json:"p50_ns"` // of the worst minute
	P95      time.Duration `json:"p95_ns"` // of the worst minute
}

// maxPoints bounds a Series. It is even.
const maxPoints = 2000

// summary adds up a Report.
type summary struct {
	r       Report
	tracker tracker
	latency [bins]uint64
	timeout time.Duration // the highest latency

	pending [minuteRing]Point // by the minute, until it is closed
	width   int               // minutes in a point
	filled  int               // minutes in the last point

	ordered float64 // process-seconds
	since   float64
}

func newSummary(o Options) *summary {
	return &summary{width: 1, timeout: o.Service.Timeout, r: Report{
		Name: o.Name, Start: o.Load.start, Duration: o.Load.Duration(),
		Price: o.Price, Utilization: o.Utilization, Objective: o.Objective, MaxSize: o.Initial,
	}}
}

// sample notes the sizes at the start of a minute.
func (s *summary) sample(m int64, rate float64, demand, desired, ready int) {
	s.tracker.add(demand, ready)
	s.pending[m%minuteRing] = Point{Rate: rate, Demand: float64(demand), Desired: float64(desired), Ready: float64(ready)}
}

// order notes that the ordered size changes at t, or that the simulation ends.
func (s *summary) order(t float64, from, to int) {
	s.ordered += float64(from) * (t - s.since)
	s.since = t
	if from != to {
		s.r.Changes++
		s.r.MaxSize = max(s.r.MaxSize, to)
	}
	if to > from {
		s.r.Ups++
	}
}

// close adds a minute in which every request is answered.
func (s *summary) close(m int64, v *minute) {
	r := &s.r
	r.Requests += v.requests
	r.Over += v.over
	r.Failed += v.failed
	if v.requests > 0 {
		r.Minutes++
		if float64(v.over) > r.Objective.Share*float64(v.requests) {
			r.BadMinutes++
		}
	}
	for i, n := range &v.latency {
		s.latency[i] += uint64(n)
	}
	p := s.pending[m%minuteRing]
	p.Requests, p.Over = v.requests, v.over
	p.P50, p.P95 = bounded(v.latency[:], .5, s.timeout), bounded(v.latency[:], .95, s.timeout)
	s.plot(p)
}

// plot adds a minute to the series.
func (s *summary) plot(p Point) {
	points := s.r.Series.Points
	if s.filled == 0 || s.filled == s.width {
		if len(points) == maxPoints {
			for i := range maxPoints / 2 {
				points[i] = merge(points[2*i], points[2*i+1], 1, 1)
			}
			points = points[:maxPoints/2]
			s.width *= 2
		}
		s.r.Series.Points, s.filled = append(points, p), 1
		return
	}
	last := &points[len(points)-1]
	*last = merge(*last, p, float64(s.filled), 1)
	s.filled++
}

// merge makes one point of two. The first stands for a minutes and the
// second for b.
func merge(p, q Point, a, b float64) Point {
	mean := func(x, y float64) float64 { return (x*a + y*b) / (a + b) }
	return Point{
		Rate: mean(p.Rate, q.Rate), Demand: mean(p.Demand, q.Demand), Desired: mean(p.Desired, q.Desired), Ready: mean(p.Ready, q.Ready),
		Requests: p.Requests + q.Requests, Over: p.Over + q.Over, P50: max(p.P50, q.P50), P95: max(p.P95, q.P95),
	}
}

// report finishes the sums.
func (s *summary) report() *Report {
	r := s.r
	if r.Requests > 0 {
		r.BadShare = float64(r.Over) / float64(r.Requests)
	}
	r.P50, r.P95, r.P99 = bounded(s.latency[:], .5, s.timeout), bounded(s.latency[:], .95, s.timeout), bounded(s.latency[:], .99, s.timeout)
	r.ProcessHours = s.ordered / 3600
	// Each sample stands for a minute. The last one stands for what is left of its
	// minute.
	if s.tracker.n > 0 {
		r.DemandHours = s.tracker.demand / float64(s.tracker.n) * r.Duration.Hours()
		r.CostRatio = r.ProcessHours / r.DemandHours
	}
	r.Cost = r.Price * r.ProcessHours
	r.Elasticity = s.tracker.elasticity()
	r.Series.Step = time.Duration(s.width) * time.Minute
	return &r
}

// bounded returns a quantile that is not above the timeout. The bin that holds the
// timeout goes beyond it.
func bounded[N uint32 | uint64](counts []N, q float64, timeout time.Duration) time.Duration {
	return min(seconds(quantile(counts, q)), timeout)
}
