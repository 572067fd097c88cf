package autoscale

import (
	"slices"
	"time"
)

const (
	// maxBoots is how many boot times are remembered.
	maxBoots = 8
	// longestBoot is what is believed of one: what takes longer is stuck.
	longestBoot = 15 * time.Minute
)

// boots learns how long a process takes from being ordered to serving, from
// platforms that say how many are pending. It cannot see finer than the ticks.
type boots struct {
	Times   []time.Duration `json:"times,omitempty"` // the last ones, oldest first
	Ordered time.Time       `json:"ordered,omitzero"`
}

// see takes up what the platform says. added and removed are when the size was
// last raised and lowered.
func (b *boots) see(now, added, removed time.Time, pending int) {
	switch {
	case pending > 0:
		if added.After(removed) && now.Sub(added) <= longestBoot {
			b.Ordered = added
		}
	case b.Ordered.IsZero():
	default:
		if took := now.Sub(b.Ordered); took > 0 && took <= longestBoot && removed.Before(b.Ordered) {
			if len(b.Times) >= maxBoots {
				b.Times = append(b.Times[:0], b.Times[len(b.Times)-maxBoots+1:]...)
			}
			b.Times = append(b.Times, took)
		}
		b.Ordered = time.Time{}
	}
}

// typical returns the median, and what is assumed where nothing is known.
func (b *boots) typical(assumed time.Duration) time.Duration {
	if len(b.Times) == 0 {
		return assumed
	}
	var sorted [maxBoots]time.Duration
	n := copy(sorted[:], b.Times)
	slices.Sort(sorted[:n])
	return sorted[n/2]
}

func (b boots) shifted(at func(time.Time) time.Time) boots {
	b.Times = slices.Clone(b.Times[max(0, len(b.Times)-maxBoots):])
	b.Ordered = at(b.Ordered)
	return b
}
