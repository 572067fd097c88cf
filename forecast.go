package autoscale

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Forecast keeps a floor under the wish, made of what was wished at the same
// time of day yesterday and of a week ago: the lower of the two where both are
// known, so that one day's peak does not bind the next. It only ever raises.
//
// It suits a rule that measures how many processes the load needs, as rule.TargetTracking
// does; a rule that adds and removes one at a time learns its own delay.
type Forecast struct {
	// Share is how much of what was wished is kept as the floor, from 0, no
	// forecast, to 1.
	Share float64

	// Lead is how far ahead is looked, so that processes are ordered before
	// they are needed. 0: the boot time, as far as it is known.
	Lead time.Duration

	// Location is where the people are whose days repeat: on the days on which
	// its clocks change, the same time yesterday is not 24 hours ago. Nil: UTC.
	Location *time.Location
}

func (f Forecast) validate() error {
	var errs []error
	if !(f.Share >= 0 && f.Share <= 1) {
		errs = append(errs, fmt.Errorf("Forecast.Share is %v: it must be from 0, for no forecast, to 1", f.Share))
	}
	if f.Lead < 0 || f.Lead > maxLead {
		errs = append(errs, fmt.Errorf("Forecast.Lead is %v: it must be from 0, for the boot time, to %v", f.Lead, maxLead))
	}
	return errors.Join(errs...)
}

const (
	// The past is kept in buckets of ten minutes over eight days, each with the
	// highest wish of its time: about 2 KiB of memory and of state.
	bucketWidth = 10 * time.Minute
	bucketCount = 8 * 24 * 6
	maxLead     = 2 * time.Hour
)

// past is what was wished, by time.
type past struct {
	newest  int64    // the number of the newest bucket since 1970
	buckets []uint16 // a ring; the wish plus 1, or 0 where it is not known
}

func bucketOf(t time.Time) int64 { return t.Unix() / int64(bucketWidth/time.Second) }

// add notes a wish.
func (p *past) add(now time.Time, size int) {
	n := bucketOf(now)
	switch {
	case n < 0 || p.buckets != nil && n <= p.newest-bucketCount:
		return // a clock that is wrong by a week
	case p.buckets == nil:
		p.buckets, p.newest = make([]uint16, bucketCount), n
	case n > p.newest+bucketCount:
		clear(p.buckets)
		p.newest = n
	}
	for ; p.newest < n; p.newest++ {
		p.buckets[(p.newest+1)%bucketCount] = 0
	}
	b := &p.buckets[n%bucketCount]
	*b = max(*b, uint16(min(max(size, 0), 1<<16-2)+1))
}

// get returns the highest wish of the buckets from one time to another.
func (p *past) get(from, to time.Time) (size int, known bool) {
	for n := bucketOf(from); n <= bucketOf(to); n++ {
		if n >= 0 && n <= p.newest && n > p.newest-bucketCount {
			if b := p.buckets[n%bucketCount]; b > 0 {
				size, known = max(size, int(b)-1), true
			}
		}
	}
	return size, known
}

// floor returns the forecast for the time from now until lead later.
func (p *past) floor(now time.Time, boot time.Duration, f Forecast) int {
	if f.Share <= 0 || p.buckets == nil {
		return 0
	}
	if f.Location == nil {
		f.Location = time.UTC
	}
	lead := f.Lead
	if lead == 0 {
		lead = min(boot, maxLead)
	}
	now = now.In(f.Location)
	floor, known := 0, false
	for _, days := range [2]int{1, 7} {
		then := now.AddDate(0, 0, -days)
		size, ok := p.get(then, then.Add(lead))
		switch {
		case !ok:
		case !known:
			floor, known = size, true
		default:
			floor = min(floor, size)
		}
	}
	return ceil(f.Share * float64(floor))
}

// stored is the past as JSON keeps it.
type storedPast struct {
	Newest  int64  `json:"newest"`
	Buckets []byte `json:"buckets,omitempty"` // a varint each, oldest first
}

func (p *past) stored() (out storedPast) {
	out.Newest = p.newest
	for n := p.newest - bucketCount + 1; n <= p.newest && p.buckets != nil; n++ {
		out.Buckets = binary.AppendUvarint(out.Buckets, uint64(p.buckets[(n%bucketCount+bucketCount)%bucketCount]))
	}
	return out
}

func (s storedPast) past() past {
	if len(s.Buckets) == 0 || s.Newest < bucketCount || s.Newest > 1<<40 {
		return past{}
	}
	p := past{newest: s.Newest, buckets: make([]uint16, bucketCount)}
	for n := s.Newest - bucketCount + 1; n <= s.Newest; n++ {
		v, size := binary.Uvarint(s.Buckets)
		if size <= 0 || v >= 1<<16 {
			return past{}
		}
		s.Buckets = s.Buckets[size:]
		p.buckets[n%bucketCount] = uint16(v)
	}
	return p
}
