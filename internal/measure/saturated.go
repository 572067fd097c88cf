package measure

import "time"

// The constants of [InFull].
const (
	// saturatedAt is how many service times requests wait on average in processes
	// that are saturated. With two workers they wait 0.56 of one if 0.60
	// of the capacity is in use, 2 at 0.8, and 4.3 at 0.90. Range: 1 to 5.
	saturatedAt = 2.0
	// fullShare is how much of the most that a process has ever had in flight a full
	// process has in flight on average. Range: 0.7 to 0.9.
	fullShare = 0.8
	// SaturatedShare is how much of its concurrency a saturated process has in use:
	// 0.8 to 1, the most of which is looked at. Range: 0.8 to 1.
	SaturatedShare = 0.9
)

// InFull returns the mean number of requests in flight in a process, if the processes were
// saturated: requests waited, and a process had about as many in flight as it ever has.
// The header that says how long a request waited may be wrong or forged, and a saturated
// process is full all the time. 0: they were not.
func InFull(queued, service time.Duration, throughput, ready, peak float64) float64 {
	if !(ready > 0) || service <= 0 || float64(queued) <= saturatedAt*float64(service) {
		return 0
	}
	if busy := Bounded(throughput) * service.Seconds() / ready; busy >= fullShare*Bounded(peak) {
		return busy
	}
	return 0
}
