package autoscale

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// name looks up the name of an enumerated value, and names the type and the
// number of one that is out of range.
func name(names []string, i int, typ string) string {
	if i < len(names) {
		return names[i]
	}
	return typ + "(" + strconv.Itoa(i) + ")"
}

// parseName finds a text among the names of an enumerated value.
func parseName(names []string, text []byte, typ string) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("autoscale: unknown %s %q: it is one of %s", typ, text, strings.Join(names, ", "))
	}
	return i, nil
}

// parseNames reads a set, as String writes it: names with bars between.
func parseNames(names []string, text []byte, typ string) (set uint32, err error) {
	if string(text) == "none" {
		return 0, nil
	}
	for part := range strings.SplitSeq(string(text), "|") {
		i, err := parseName(names, []byte(part), typ)
		if err != nil {
			return 0, err
		}
		set |= 1 << i
	}
	return set, nil
}

// joinNames writes a set as parseNames reads it.
func joinNames(names []string, set uint32) string {
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

// short rounds a duration to what a person wants to read.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-max(d, -math.MaxInt64)) // the smallest has no opposite
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

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
