package sim

import "fmt"

// Smooth returns the load without the noise of counting. Use it for a trace that is scaled
// up. A bin of 40 requests is off by a sixth, and if it is multiplied by 400, that sixth
// looks like load. Each rate becomes the mean of the bins around it. On both sides it takes
// as many bins as it needs to reach the given number of requests. The relative error of a
// rate is then 1/√requests: 5 % for 400.
//
// Bins with at least that many requests stay exactly as they are. Nothing is averaged
// across them, so that a burst does not spread over the quiet around it. Between two such
// bins, or an end of the load, the mean rate stays the same, and so does the mean of the
// whole load. A stretch with fewer requests than the given number becomes its mean. Smooth
// fails if requests is below 1.
//
// Real changes of the load within fewer requests than that are smoothed away too.
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

// spread returns, for each count, the mean of the counts around it that together reach
// the given number, or the mean of all counts if they do not reach it. The sum stays the
// same.
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
