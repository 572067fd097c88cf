// Package names reads and writes the names of enumerated values and of sets, and
// writes durations for people.
package names

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Of returns the name of value i of the type typ. A value without a name becomes typ(i).
func Of(names []string, i int, typ string) string {
	if i < len(names) {
		return names[i]
	}
	return typ + "(" + strconv.Itoa(i) + ")"
}

// Parse returns which of the names text is. typ is what the error calls it.
func Parse(names []string, text []byte, typ string) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("autoscale: unknown %s %q: it is one of %s", typ, text, strings.Join(names, ", "))
	}
	return i, nil
}

// ParseSet reads what [OfSet] writes.
func ParseSet(names []string, text []byte, typ string) (set uint32, err error) {
	if string(text) == "none" {
		return 0, nil
	}
	for part := range strings.SplitSeq(string(text), "|") {
		i, err := Parse(names, []byte(part), typ)
		if err != nil {
			return 0, err
		}
		set |= 1 << i
	}
	return set, nil
}

// OfSet returns the names of the bits in set with bars between them, as in
// "scaled|changed", and "none" for the empty set.
func OfSet(names []string, set uint32) string {
	var parts []string
	for i, name := range names {
		if set&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, "|")
}

// Count returns n with the noun: "1 process", "2 processes".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Left writes the time that is left, in whole seconds: a wait is not over before they are.
func Left(d time.Duration) string {
	return Duration(time.Duration(math.Ceil(max(d, 0).Seconds())) * time.Second)
}

// Duration rounds d to what a person wants to read.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-max(d, -math.MaxInt64)) // the smallest has no opposite
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= 10*time.Second:
		return d.Round(time.Second / 10).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}
