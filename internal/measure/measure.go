// Package measure has the arithmetic on sizes and measurements that the root package,
// the rules and the limits share.
package measure

import "math"

// Plus adds n to a size, without overflow and not below 0.
func Plus(size, n int) int {
	if n > 0 && size > math.MaxInt-n {
		return math.MaxInt
	}
	return max(size+n, 0)
}

// most is what a measurement counts as at most.
const most = 1e9

// Bounded returns v as a measurement that can be summed up: NaN and negative numbers
// count as 0, and more than a billion counts as a billion.
func Bounded(v float64) float64 {
	switch {
	case v > most:
		return most
	case v > 0:
		return v
	}
	return 0
}
