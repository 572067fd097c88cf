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

// A Schedule is a number of processes that depends on the weekday and the time of day,
// in a time zone. The zero Schedule is unset, and [Config] replaces it by a default. A
// Schedule never changes, and is safe for concurrent use.
//
// An entry holds until the next one begins, on that day or a later one. An entry begins
// when the clocks of the zone first show its time. If the clocks are put back over it,
// the entry does not begin twice, nor end during the repeated hour. If they are put
// forward over it, the entry begins at that moment.
type Schedule struct {
	set     bool
	entries []entry // sorted by minute. Empty: the size is fixed
	fixed   int
	daily   bool // every day has the same entries. String needs it
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

// Daily returns a Schedule with the same sizes every day. The keys of sizes are times of
// day, such as "9:00" or "17:30", and the values the sizes that begin then. A nil loc is
// time.Local. [Config.Validate] reports all bad entries.
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
		// All seven days have the same faults. They are reported once, without the day.
		_, s.err = parseDay(sizes)
		if len(sizes) == 0 {
			s.err = errors.New("the schedule has no entry: give at least one, such as \"0:00\": 2")
		}
	}
	return s
}

// Weekly returns a Schedule with sizes for each weekday. On a day without entries the last
// entry of an earlier day holds. A nil loc is time.Local. [Config.Validate] reports all
// bad entries.
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

// ParseSchedule reads a number, such as "3", or sizes by time of day, such as
// `{"0:00": 2, "9:00": 5, "17:00": 2}`. That is the notation of autoscalebot's settings.
// Single quotation marks are read too. The error names each bad entry.
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

// parseSizes reads the sizes, token by token: decoding into a map would hide a time that
// is given twice.
func parseSizes(text string) (map[string]int, error) {
	// Python and autoscalebot's manual write it with ' and =. No time or number has
	// these characters.
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
		return 0, fmt.Errorf("%q is not a time of day: write hours 0 to 23 and minutes 00 to 59, as \"9:00\" or \"17:30\"", text)
	}
	return h*60 + m, nil
}

func digits(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 8) // no sign, no space
	return int(n), err
}

// String returns the schedule in the notation of [ParseSchedule], followed by the time
// zone. It names the weekdays if they differ. The zero Schedule is "unset".
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
