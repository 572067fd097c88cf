package limit

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Forecast raises the recommendation to a share of what was recommended at the same time
// yesterday and a week ago. If both are known, the lower one counts, so that one day's
// peak does not bind the next day.
//
// It suits a rule that measures how many processes the load needs, as target tracking
// does. With a rule that adds and removes one process at a time, it would learn the
// delay of that rule.
type Forecast struct {
	// Share is how much of the earlier recommendation is kept, from 0, for no
	// forecast, to 1.
	Share float64

	// Lead is how far ahead the forecast looks, so that processes are ordered before
	// they are needed. 0: the boot time, if that is known.
	Lead time.Duration

	// Location is the time zone of the users whose days repeat. When its clocks change,
	// the same time yesterday is not 24 hours ago. Nil: UTC.
	Location *time.Location
}

func (f Forecast) validate() error {
	var errs []error
	if !(f.Share >= 0 && f.Share <= 1) {
		errs = append(errs, fmt.Errorf("Limits.Forecast.Share is %v: it must be from 0, for no forecast, to 1", f.Share))
	}
	if f.Lead < 0 || f.Lead > maxLead {
		errs = append(errs, fmt.Errorf("Limits.Forecast.Lead is %v: it must be from 0, for the boot time, to %v", f.Lead, maxLead))
	}
	return errors.Join(errs...)
}

const (
	// The past is kept in buckets of ten minutes over eight days, each with the highest
	// recommendation of its time: about 2 KiB of memory and of saved state.
	bucketWidth = 10 * time.Minute
	bucketCount = 8 * 24 * 6
	maxLead     = 2 * time.Hour
)

// past is what was recommended at each time.
type past struct {
	newest  int64    // the number of the newest bucket since 1970
	buckets []uint16 // a ring. The recommendation plus 1, or 0 if it is not known
}

func bucketOf(t time.Time) int64 { return t.Unix() / int64(bucketWidth/time.Second) }

// add records a recommendation.
func (p *past) add(now time.Time, size int) {
	n := bucketOf(now)
	switch {
	case n < 0 || p.buckets != nil && n <= p.newest-bucketCount:
		return // the clock is wrong by a week
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

// get returns the highest recommendation of the buckets from one time to another.
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

// floor returns the forecast for the time from now to now plus the lead.
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

// storedPast is the past as JSON keeps it.
type storedPast struct {
	Newest  int64  `json:"newest"`
	Buckets []byte `json:"buckets,omitempty"` // a varint each, oldest first
}

// IsZero reports whether nothing is known.
func (p past) IsZero() bool { return p.buckets == nil }

// MarshalJSON writes about one byte for each bucket.
func (p past) MarshalJSON() ([]byte, error) {
	out := storedPast{Newest: p.newest}
	for n := p.newest - bucketCount + 1; n <= p.newest && p.buckets != nil; n++ {
		out.Buckets = binary.AppendUvarint(out.Buckets, uint64(p.buckets[(n%bucketCount+bucketCount)%bucketCount]))
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. It forgets what cannot be read.
func (p *past) UnmarshalJSON(data []byte) error {
	*p = past{}
	var in storedPast
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if len(in.Buckets) == 0 || in.Newest < bucketCount || in.Newest > 1<<40 {
		return nil
	}
	read := past{newest: in.Newest, buckets: make([]uint16, bucketCount)}
	for n := in.Newest - bucketCount + 1; n <= in.Newest; n++ {
		v, size := binary.Uvarint(in.Buckets)
		if size <= 0 || v >= 1<<16 {
			return nil
		}
		in.Buckets = in.Buckets[size:]
		read.buckets[n%bucketCount] = uint16(v)
	}
	*p = read
	return nil
}
