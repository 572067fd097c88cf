package autoscale

import (
	"errors"
	"fmt"
	"time"
)

// Budget is how many process-hours may be spent in a day or a month: as many as
// the sizes, each times how long it was ordered, add up to. It is told as
// [BudgetShort] when 80% is spent, and when all is; from then on until the
// period ends Min is also the most. It is never cut below Min, so that Min
// around the clock must fit in it.
//
// The hours spent are kept in the [Store]; without one they are forgotten when
// the process ends, and a budget means little.
type Budget struct {
	Hours    float64        // 0: no budget
	Monthly  bool           // whether Hours are for a calendar month, not for a day
	Location *time.Location // whose midnight ends the period. Nil: UTC
}

func (b Budget) validate(least Schedule) error {
	var errs []error
	if !(b.Hours >= 0 && b.Hours < 1e12) {
		return fmt.Errorf("Budget.Hours is %v: it must be above 0, or 0 for no budget", b.Hours)
	}
	// A Min that changes in the day is not added up: its smallest entry tells
	// the mistakes of an hour for a day apart well enough.
	if days := b.days(); b.Hours > 0 && least.err == nil && float64(least.least())*24*days > b.Hours {
		errs = append(errs, fmt.Errorf("Budget.Hours is %v, and Min alone, %d processes around the clock, takes %v: raise Hours or lower Min", b.Hours, least.least(), float64(least.least())*24*days))
	}
	return errors.Join(errs...)
}

func (b Budget) days() float64 {
	if b.Monthly {
		return 28
	}
	return 1
}

// budgetShort is the share at which it is told that a budget runs short.
const budgetShort = 0.8

// spending is what was spent in a period.
type spending struct {
	Period string    `json:"period,omitempty"` // as 2026-11-24, or 2026-11
	Hours  float64   `json:"hours,omitempty"`
	Until  time.Time `json:"until,omitzero"` // up to when it is counted,
	Size   int       `json:"size,omitempty"` // and the size from then on
}

// spend counts the time since it was last called, and returns the share of the
// budget that is spent.
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
	if b.Monthly {
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

func (s spending) shifted(at func(time.Time) time.Time) spending {
	s.Until = at(s.Until)
	return s
}
