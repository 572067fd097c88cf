package sim

import "fmt"

// Smooth returns the load with the noise of counting taken out, for a trace that is
// scaled up: a bin of 40 requests is off by a sixth, and multiplied by 400 that sixth
// looks like load. Each rate becomes the mean of the bins around it, as far to both
// sides as it takes for the given number of requests, so that it is off by one over the
// root of that number: 400 requests are 5 %.
//
// Bins that hold as many stay exactly as they are, and nothing is averaged across them,
// so that a burst is not spread over the quiet around it. Between two of them, or an end
// of the load, the mean rate stays too, and so does that of the whole load. A stretch
// with fewer requests than the given number becomes its mean. It fails unless requests
// is at least 1.
//
// What is shorter than that many requests is smoothed away, be it noise or load.
func (l Load) Smooth(requests float64) (Load, error) {
	if !(requests >= 1) {
		return Load{}, fmt.Errorf("sim: smooth a load over %v requests: it must be 1 or more", requests)
	}
	counts := make([]float64, len(l.rates))
	for i, r := range l.rates {
		counts[i] = r * l.step.Seconds()
	}
	rates := make([]float64, len(l.rates))
	for from := 0; from < len(counts); {
		to := from
		for to < len(counts) && counts[to] < requests {
			to++
		}
		if to == from {
			rates[from] = l.rates[from]
			from++
			continue
		}
		for i, n := range spread(counts[from:to], requests) {
			rates[from+i] = n / l.step.Seconds()
		}
		from = to
	}
	return NewLoad(l.start, l.step, rates)
}

// spread returns for each count the mean of those around it, which together are the
// given number or all that there are. The sum stays.
func spread(counts []float64, number float64) []float64 {
	sums := make([]float64, len(counts)+1)
	for i, n := range counts {
		sums[i+1] = sums[i] + n
	}
	means := make([]float64, len(counts))
	var total float64
	for i := range means {
		from, to := i, i+1
		for sums[to]-sums[from] < number && (from > 0 || to < len(counts)) {
			from, to = max(0, from-1), min(len(counts), to+1)
		}
		means[i] = (sums[to] - sums[from]) / float64(to-from)
		total += means[i]
	}
	if total > 0 {
		for i := range means {
			means[i] *= sums[len(counts)] / total
		}
	}
	return means
}
