package autoscale

import (
	"fmt"
	"time"
)

// At returns the size that holds at t. The zero Schedule is 0 at all times.
func (s Schedule) At(t time.Time) int {
	if len(s.entries) == 0 {
		return s.fixed
	}
	size, _ := s.latest(t)
	return size
}

// touches reports whether the size is n at any time of the week.
func (s Schedule) touches(n int) bool {
	for _, e := range s.entries {
		if e.size == n {
			return true
		}
	}
	return len(s.entries) == 0 && s.fixed == n
}

// least returns the smallest size of the week.
func (s Schedule) least() int {
	least := s.fixed
	for i, e := range s.entries {
		if i == 0 || e.size < least {
			least = e.size
		}
	}
	return least
}

// Next returns when the size next changes after t, or the zero Time if it never does. An
// entry with the same size as the one before it does not change the size.
func (s Schedule) Next(t time.Time) time.Time {
	if len(s.entries) == 0 {
		return time.Time{}
	}
	size := s.At(t)
	local := t.In(s.loc)
	// The change is at most a week away. A day more on each side covers the days on
	// which the clocks change.
	for day := -1; day <= 8; day++ {
		for _, e := range s.entries {
			at, ok := s.begins(local, day, e)
			if ok && at.After(t) && s.At(at) != size {
				return at
			}
		}
	}
	return time.Time{}
}

// latest finds the entry that began last, at or before t.
func (s Schedule) latest(t time.Time) (size int, began time.Time) {
	local := t.In(s.loc)
	for day := 0; day >= -8; day-- {
		for i := len(s.entries) - 1; i >= 0; i-- {
			e := s.entries[i]
			if at, ok := s.begins(local, day, e); ok && !at.After(t) {
				return e.size, at
			}
		}
	}
	// Not reached: every entry begins once in any eight days.
	return s.entries[0].size, time.Time{}
}

// begins returns when e begins on the given day, counted from local's day. It returns
// false if e belongs to another weekday.
func (s Schedule) begins(local time.Time, day int, e entry) (time.Time, bool) {
	if (int(local.Weekday())+day+14)%7 != e.minute/minutesPerDay {
		return time.Time{}, false
	}
	y, m, d := local.Date()
	return firstInstant(y, m, d+day, e.minute%minutesPerDay, s.loc), true
}

// firstInstant returns the first moment at which the clocks of loc show the given minute
// of the given day, or the moment at which they are put forward past it. time.Date does
// not say which of two moments it returns.
func firstInstant(y int, m time.Month, d, minute int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, minute/60, minute%60, 0, 0, loc)
	// wall is the wall clock as a number.
	wall := func(t time.Time) int64 {
		_, offset := t.Zone()
		return t.Unix() + int64(offset)
	}
	want := time.Date(y, m, d, minute/60, minute%60, 0, 0, time.UTC).Unix()
	start, end := t.ZoneBounds()
	switch got := wall(t); {
	case got > want: // put forward past it, and t is after the change
		return start
	case got < want: // put forward past it, and t is before the change
		return end
	}
	if start.IsZero() {
		return t
	}
	_, offset := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(start) && before > offset {
		return earlier // put back over it: this is the first of two
	}
	return t
}

// crossing looks for a moment at which lo is above hi, within a week of from. If the zones
// differ it looks through a year, because their clocks may change on different days.
func crossing(lo, hi Schedule, from time.Time) error {
	end := from.AddDate(0, 0, 8)
	if len(lo.entries) > 0 && len(hi.entries) > 0 && lo.loc.String() != hi.loc.String() {
		end = from.AddDate(1, 0, 8)
	}
	for t := from; ; {
		if a, b := lo.At(t), hi.At(t); a > b {
			when := ""
			if !lo.Next(t).IsZero() || !hi.Next(t).IsZero() {
				loc := lo.loc
				if loc == nil {
					loc = hi.loc
				}
				when = " on " + t.In(loc).Format("Monday at 15:04 MST")
			}
			return fmt.Errorf("the bounds cross: Min is %d and Max is %d%s: Min must not be above Max", a, b, when)
		}
		next := earliest(lo.Next(t), hi.Next(t))
		if next.IsZero() || next.After(end) {
			return nil
		}
		t = next
	}
}

// earliest returns the earlier of two times. A zero time does not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
