package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// longest bounds how far ahead a pause or an override may end.
const longest = 366 * 24 * time.Hour

// end reads "for 2h" or "until 18:00", and what follows. No words are no end.
func end(words []string, now time.Time, zone *time.Location) (time.Time, error) {
	var zero, until time.Time
	if len(words) == 0 {
		return zero, nil
	}
	value := strings.Join(words[1:], " ")
	var err error
	switch word := words[0]; {
	case word == "for" && value == "":
		return zero, errors.New("for how long? Write for 2h")
	case word == "until" && value == "":
		return zero, errors.New("until when? Write until 18:00")
	case word == "for":
		until, err = after(value, now)
	case word == "until":
		until, err = moment(value, now, zone)
	default:
		hint := meant(word, []string{"for", "until"}, "")
		if _, wrong := after(word, now); wrong == nil {
			hint = ": write for " + word
		} else if _, wrong := moment(word, now, zone); wrong == nil {
			hint = ": write until " + word
		}
		return zero, fmt.Errorf("there is a word %q where only for or until can be%s", word, hint)
	}
	switch {
	case err != nil:
		return zero, err
	case !until.After(now):
		return zero, fmt.Errorf("%s is past: give a later time", until.In(zone).Format("Mon 2 Jan 2006 15:04 MST"))
	case until.Sub(now) > longest:
		return zero, fmt.Errorf("%s is more than a year away: give an earlier time", until.In(zone).Format("Mon 2 Jan 2006"))
	}
	return until, nil
}

var (
	oneDuration  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([a-zA-Z]+)$`)
	onlyNumber   = regexp.MustCompile(`^[0-9.]+$`)
	unitsOfTimes = map[string]time.Duration{
		"s": time.Second, "sec": time.Second, "second": time.Second, "m": time.Minute, "min": time.Minute, "minute": time.Minute,
		"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour, "w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour,
	}
)

// after reads how long something lasts: 2h, 90m, 1h30m, 2 hours, 3d.
func after(text string, now time.Time) (time.Time, error) {
	if onlyNumber.MatchString(text) {
		return now, fmt.Errorf("for %s has no unit: write for %sm, minutes, or for %sh, hours", text, text, text)
	}
	d, err := time.ParseDuration(text)
	if m := oneDuration.FindStringSubmatch(text); err != nil && m != nil {
		word := strings.ToLower(m[2])
		unit, ok := unitsOfTimes[word]
		if !ok {
			unit, ok = unitsOfTimes[strings.TrimSuffix(word, "s")]
		}
		n, bad := strconv.ParseFloat(m[1], 64)
		if ok && bad == nil {
			d, err = time.Duration(min(n*float64(unit), 2*float64(longest))), nil
		}
	}
	switch {
	case err != nil:
		return now, fmt.Errorf("for %q cannot be read: write a number with its unit, s, m, h or d, as for 90m or for 2h", text)
	case d <= 0:
		return now, fmt.Errorf("for %s has ended already: give a time above 0", text)
	}
	return now.Add(min(d, 2*longest)), nil
}

// moment reads when something ends: 18:00, today or else tomorrow; a date with a time; or
// RFC 3339.
func moment(text string, now time.Time, zone *time.Location) (time.Time, error) {
	now = now.In(zone)
	word, clock, dated := strings.Cut(text, " ")
	day := now
	switch {
	case !dated:
		clock = word
	case strings.EqualFold(word, "today"):
	case strings.EqualFold(word, "tomorrow"):
		day = now.AddDate(0, 0, 1)
	default:
		date, err := time.ParseInLocation(time.DateOnly, word, zone)
		if err != nil {
			return now, errMoment(text, now)
		}
		day = date
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		t, err := time.Parse(layout, clock)
		if err != nil {
			continue
		}
		at := func(day time.Time) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
		}
		until := at(day)
		if !dated && !until.After(now) {
			until = at(now.AddDate(0, 0, 1))
		}
		return until, nil
	}
	if !dated {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				return t, nil
			}
		}
	}
	return now, errMoment(text, now)
}

func errMoment(text string, now time.Time) error {
	return fmt.Errorf("until %q cannot be read: write a time as until 18:00, until tomorrow 9:00, or until %s", text, now.AddDate(0, 0, 2).Format("2006-01-02 09:00"))
}
