package autoscale

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Schedule is a number of processes that depends on the time of day and the
// weekday, in a time zone. The zero Schedule is unset: [Config] fills it in.
// Schedules are values, never change, and are safe for concurrent use.
//
// An entry holds until the next one; before the first entry of a day the last
// entry before it holds. Entries begin when the clocks of the zone first show
// their time. Where the clocks are put back over an entry, it does not begin
// twice, and does not end while they show the earlier hour again; where they
// are put forward over it, it begins at that moment.
type Schedule struct {
	set     bool
	entries []entry // sorted by minute; empty: the size is fixed
	fixed   int
	daily   bool // every day has the same entries: for String
	loc     *time.Location
	err     error // of the constructor, for Validate
}

// entry is one size and when it begins.
type entry struct {
	minute int // since Sunday 0:00, by the clocks of the zone
	size   int
}

const (
	minutesPerDay  = 24 * 60
	minutesPerWeek = 7 * minutesPerDay
)

// Fixed returns the Schedule that is n at all times. A negative n is reported
// by [Config.Validate].
func Fixed(n int) Schedule {
	s := Schedule{set: true, fixed: n}
	if n < 0 {
		s.err = fmt.Errorf("%d processes: a size must be 0 or more", n)
	}
	return s
}

// Daily returns a Schedule with the same sizes every day, from a time of day,
// as "9:00" or "17:30", to the size that begins then. A nil loc is time.Local.
// Bad entries are reported by [Config.Validate], all of them.
//
//	autoscale.Daily(berlin, map[string]int{"0:00": 2, "9:00": 5, "17:00": 2})
func Daily(loc *time.Location, sizes map[string]int) Schedule {
	days := make(map[time.Weekday]map[string]int, 7)
	for day := time.Sunday; day <= time.Saturday; day++ {
		days[day] = sizes
	}
	s := Weekly(loc, days)
	s.daily = true
	if s.err != nil {
		// The same faults of all seven days are said once, without the day.
		_, s.err = parseDay(sizes)
		if len(sizes) == 0 {
			s.err = errors.New("the schedule has no entry: give at least one, such as \"0:00\": 2")
		}
	}
	return s
}

// Weekly returns a Schedule with sizes for each weekday. On a day without
// entries the last entry before it holds. A nil loc is time.Local. Bad entries
// are reported by [Config.Validate], all of them.
func Weekly(loc *time.Location, days map[time.Weekday]map[string]int) Schedule {
	if loc == nil {
		loc = time.Local
	}
	s := Schedule{set: true, loc: loc}
	var errs []error
	for _, day := range slices.Sorted(mapKeys(days)) {
		if day < time.Sunday || day > time.Saturday {
			errs = append(errs, fmt.Errorf("weekday %d: it must be time.Sunday (0) to time.Saturday (6)", int(day)))
			continue
		}
		entries, err := parseDay(days[day])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", day, err))
		}
		for _, e := range entries {
			s.entries = append(s.entries, entry{int(day)*minutesPerDay + e.minute, e.size})
		}
	}
	if len(s.entries) == 0 && errs == nil {
		errs = append(errs, errors.New("the schedule has no entry: give at least one, such as \"0:00\": 2"))
	}
	s.err = errors.Join(errs...)
	return s
}

func mapKeys[K comparable, V any](m map[K]V) func(yield func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// ParseSchedule reads a number, as "3", or sizes by time of day, as
// `{"0:00": 2, "9:00": 5, "17:00": 2}`, the notation of autoscalebot's settings,
// with either kind of quotation mark. Its errors name each bad entry.
func ParseSchedule(text string, loc *time.Location) (Schedule, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.Atoi(text); err == nil {
		s := Fixed(n)
		return s, s.err
	}
	if !strings.HasPrefix(text, "{") {
		return Schedule{}, fmt.Errorf(`schedule %q: it must be a number, as 3, or sizes by time of day, as {"0:00": 2, "9:00": 5}`, text)
	}
	sizes, err := parseSizes(text)
	if err != nil {
		return Schedule{}, fmt.Errorf(`schedule %s: %w: write it as {"0:00": 2, "9:00": 5}`, text, err)
	}
	s := Daily(loc, sizes)
	if s.err != nil {
		return Schedule{}, fmt.Errorf("schedule %s: %w", text, s.err)
	}
	return s, nil
}

// parseSizes reads the dictionary. It goes through the tokens because a time
// given twice would otherwise be lost without a word.
func parseSizes(text string) (map[string]int, error) {
	// Other spellings of the same, from Python and from autoscalebot's manual.
	// Neither character is of use in a time or a number.
	text = strings.NewReplacer("'", `"`, "=", ":").Replace(text)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	sizes := make(map[string]int)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := value.(json.Number)
		if !ok {
			return nil, fmt.Errorf("the entry for %q is not a number", key)
		}
		size, err := strconv.Atoi(number.String())
		if err != nil {
			return nil, fmt.Errorf("the entry for %q is %s, which is not a whole number", key, number)
		}
		if _, twice := sizes[key.(string)]; twice {
			return nil, fmt.Errorf("%q is given twice", key)
		}
		sizes[key.(string)] = size
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the closing brace")
	}
	return sizes, nil
}

// parseDay turns one day's sizes into entries sorted by the minute of the day.
func parseDay(sizes map[string]int) ([]entry, error) {
	var entries []entry
	var errs []error
	for _, at := range slices.Sorted(mapKeys(sizes)) {
		minute, err := parseTimeOfDay(at)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		size := sizes[at]
		if size < 0 {
			errs = append(errs, fmt.Errorf("the entry for %q is %d: a size must be 0 or more", at, size))
			continue
		}
		for _, e := range entries {
			if e.minute == minute {
				errs = append(errs, fmt.Errorf("%q is given twice, in two spellings", at))
			}
		}
		entries = append(entries, entry{minute, size})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.minute, b.minute) })
	return entries, errors.Join(errs...)
}

// parseTimeOfDay reads "9:00" or "09:00" as minutes since midnight.
func parseTimeOfDay(text string) (int, error) {
	hours, minutes, ok := strings.Cut(text, ":")
	h, errH := digits(hours)
	m, errM := digits(minutes)
	if !ok || errH != nil || errM != nil || len(hours) > 2 || len(minutes) != 2 || h > 23 || m > 59 {
		return 0, fmt.Errorf("%q is no time of day: write hours 0 to 23 and minutes 00 to 59, as \"9:00\" or \"17:30\"", text)
	}
	return h*60 + m, nil
}

func digits(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 8) // no sign, no space
	return int(n), err
}

// String returns the schedule in the notation that [ParseSchedule] reads, with
// the time zone behind it; weekdays are named where they differ. The zero
// Schedule is "unset".
func (s Schedule) String() string {
	switch {
	case !s.set:
		return "unset"
	case len(s.entries) == 0:
		return strconv.Itoa(s.fixed)
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range s.entries {
		if s.daily && e.minute >= minutesPerDay {
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('"')
		if !s.daily {
			b.WriteString(time.Weekday(e.minute / minutesPerDay).String()[:3])
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, `%d:%02d": %d`, e.minute%minutesPerDay/60, e.minute%60, e.size)
	}
	return b.String() + "} " + s.loc.String()
}
