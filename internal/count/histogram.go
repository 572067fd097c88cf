package count

import (
	"math"
	"math/bits"
	"time"
)

// The histogram has eight slots of equal width in each octave, so that a slot is
// at most an eighth of its lower bound wide, and its middle at most a sixteenth off
// (6.25 %). The first sixteen slots are one unit wide each.
const (
	unitBits = 14 // a unit is 2^14 ns: 16.4 µs
	slots    = 160
	// MaxLongest is below 2^22 units, where the slots end.
	MaxLongest = time.Minute

	// A histogram of waits has half as many slots, each twice as wide.
	waitSlots = slots / 2
	// MaxWait is longer than any router waits. A longer wait comes from a wrong clock, or
	// from a number that means something else.
	MaxWait = time.Minute
)

func waitSlotOf(d time.Duration) int { return slotOf(min(d, MaxWait)) / 2 }

// slotOf returns the slot of d, which is 0 or more. The last slot has all longer times too.
func slotOf(d time.Duration) int {
	units := uint64(d) >> unitBits
	shift := max(bits.Len64(units)-4, 0)
	return min(shift*8+int(units>>shift), slots-1)
}

// middle returns the time in the middle of a slot.
func middle(slot int) time.Duration {
	shift := max(slot/8-1, 0)
	low := uint64(slot-shift*8) << shift
	return time.Duration((2*low + 1<<shift) << unitBits / 2)
}

// median returns the median of waits, interpolated within its slot. There is at
// least one.
func median(counts *[waitSlots]uint64) time.Duration {
	var n uint64
	for _, c := range counts {
		n += c
	}
	half := float64(n) / 2
	for slot, c := range counts {
		if c > 0 && half <= float64(c) {
			low := lower(2 * slot)
			return low + time.Duration(half/float64(c)*float64(lower(2*slot+2)-low))
		}
		half -= float64(c)
	}
	return MaxWait
}

// lower returns where a slot begins.
func lower(slot int) time.Duration {
	shift := max(slot/8-1, 0)
	return time.Duration(uint64(slot-shift*8) << shift << unitBits)
}

// quantile returns the p-th of 100 by the nearest rank: the least time that at
// least p % of the times do not exceed. There is at least one.
func quantile(counts *[slots]uint64, p float64) time.Duration {
	var n uint64
	for _, c := range counts {
		n += c
	}
	rank := uint64(math.Ceil(p / 100 * float64(n)))
	rank = min(max(rank, 1), n)
	for slot, c := range counts {
		if rank <= c {
			return middle(slot)
		}
		rank -= c
	}
	return middle(slots - 1)
}
