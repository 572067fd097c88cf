package sim

import "fmt"

// Smooth returns the load with the noise of counting taken out, for a trace that is
// scaled up: a bin of 40 requests is off by a sixth, and multiplied by 400 that sixth
// looks like load. Each rate becomes the mean of the bins around it, as far to both
// sides as it takes for the given number of requests, so that it is off by one over the
// root of that number: 400 requests are 5 %. Bins that hold as many stay as they are.
// The mean rate of the load stays too. It fails unless requests is at least 1.
//
// What is shorter than that many requests is smoothed away, be it noise or load.
func (l Load) Smooth(requests float64) (Load, error) {
	if !(requests >= 1) {
		return Load{}, fmt.Errorf("sim: smooth a load over %v requests: it must be 1 or more", requests)
	}
	sums := make([]float64, len(l.rates)+1)
	for i, r := range l.rates {
		sums[i+1] = sums[i] + r*l.step.Seconds()
	}
	rates := make([]float64, len(l.rates))
	var total float64
	for i := range rates {
		from, to := i, i+1
		for sums[to]-sums[from] < requests && (from > 0 || to < len(rates)) {
			from, to = max(0, from-1), min(len(rates), to+1)
		}
		rates[i] = (sums[to] - sums[from]) / (float64(to-from) * l.step.Seconds())
		total += rates[i] * l.step.Seconds()
	}
	if total > 0 {
		for i := range rates {
			rates[i] *= sums[len(l.rates)] / total
		}
	}
	return NewLoad(l.start, l.step, rates)
}
