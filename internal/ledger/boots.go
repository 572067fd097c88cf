package ledger

import (
	"slices"
	"time"
)

const (
	// maxBoots is how many boot times are remembered.
	maxBoots = 8
	// LongestBoot is the longest boot time that is believed: a process that takes
	// longer is stuck.
	LongestBoot = 15 * time.Minute
)

// Boots learn how long a process takes from being ordered to serving, from platforms that
// say how many processes are pending. They cannot be more precise than the ticks.
type Boots struct {
	Times   []time.Duration `json:"times,omitempty"` // the last ones, oldest first
	Ordered time.Time       `json:"ordered,omitzero"`
}

// See takes what the platform says. added and removed are when the size was last raised
// and lowered.
func (b *Boots) See(now, added, removed time.Time, pending int) {
	switch {
	case pending > 0:
		if added.After(removed) && now.Sub(added) <= LongestBoot {
			b.Ordered = added
		}
	case b.Ordered.IsZero():
	default:
		if took := now.Sub(b.Ordered); took > 0 && took <= LongestBoot && removed.Before(b.Ordered) {
			if len(b.Times) >= maxBoots {
				b.Times = append(b.Times[:0], b.Times[len(b.Times)-maxBoots+1:]...)
			}
			b.Times = append(b.Times, took)
		}
		b.Ordered = time.Time{}
	}
}

// Typical returns the median, or assumed if nothing is known.
func (b *Boots) Typical(assumed time.Duration) time.Duration {
	if len(b.Times) == 0 {
		return assumed
	}
	var sorted [maxBoots]time.Duration
	n := copy(sorted[:], b.Times)
	slices.Sort(sorted[:n])
	return sorted[n/2]
}
