package limit

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// Budget is how many process-hours may be spent in a day or a month: the sum of the
// sizes, each times how long it was ordered. Events report when 80 % is spent, and when
// all of it is. Once all is spent, Min is also the maximum until the period ends. Budget
// never cuts below Min, so Min around the clock must fit in the budget.
//
// The Store keeps the hours that were spent. Without a Store they are forgotten when the
// process ends, and then a budget means little.
type Budget struct {
	Hours    float64        // 0: no budget
	Per      Period         // the period of the hours. 0: Day
	Location *time.Location // whose midnight ends the period. Nil: UTC
}

// Period is how long a Budget lasts.
type Period uint8

// The periods of a Budget.
const (
	Day   Period = iota
	Month        // a calendar month
)

// String returns "day" or "month".
func (p Period) String() string {
	if p == Month {
		return "month"
	}
	return "day"
}

func (b Budget) validate(least int) error {
	switch needed := float64(least) * 24 * b.days(); {
	case !(b.Hours >= 0 && b.Hours < 1e12):
		return fmt.Errorf("Limits.Budget.Hours is %v: it must be above 0, or 0 for no budget", b.Hours)
	case b.Per > Month:
		return fmt.Errorf("Limits.Budget.Per is %d: it must be limit.Day or limit.Month", b.Per)
	// A Min that changes within the day is not added up. Its smallest entry is enough
	// to notice that somebody set the hours of an hour instead of those of a day.
	case b.Hours > 0 && needed > b.Hours:
		return fmt.Errorf("Limits.Budget.Hours is %v, and Min alone, %s around the clock, takes %v: raise Hours or lower Min", b.Hours, names.Count(least, "process", "processes"), needed)
	}
	return nil
}

func (b Budget) days() float64 {
	if b.Per == Month {
		return 28
	}
	return 1
}

// spending is what was spent in a period.
type spending struct {
	Period string    `json:"period,omitempty"` // as 2026-11-24, or 2026-11
	Hours  float64   `json:"hours,omitempty"`
	Until  time.Time `json:"until,omitzero"` // up to when it is counted
	Size   int       `json:"size,omitempty"` // from then on
}

// spend counts the time since it was last called, and returns the share of the budget
// that is spent.
func (s *spending) spend(now time.Time, size int, b Budget) float64 {
	if b.Hours <= 0 {
		*s = spending{}
		return 0
	}
	loc := b.Location
	if loc == nil {
		loc = time.UTC
	}
	local := now.In(loc)
	year, month, day := local.Date()
	layout := time.DateOnly
	if b.Per == Month {
		day, layout = 1, "2006-01"
	}
	if period := local.Format(layout); period != s.Period {
		start := time.Date(year, month, day, 0, 0, 0, 0, loc)
		if s.Until.Before(start) && !s.Until.IsZero() {
			s.Until = start
		}
		s.Period, s.Hours = period, 0
	}
	if !s.Until.IsZero() && now.After(s.Until) {
		s.Hours += float64(s.Size) * now.Sub(s.Until).Hours()
	}
	s.Until, s.Size = now, size
	return s.Hours / b.Hours
}
