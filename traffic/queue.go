package traffic

import (
	"math"
	"net/http"
	"time"
)

const (
	// maxQueueTime is longer than any router waits. A longer time comes from a clock that
	// is wrong, or from a number that means something else.
	maxQueueTime = time.Minute

	// maxQueueBytes is how much of one header is read. Real ones have 20 bytes for each
	// proxy. A client can send a megabyte.
	maxQueueBytes = 1 << 10
)

// queueTimeOf returns how long before now, in nanoseconds since 1970, the first
// proxy took the request up. That is the earliest moment in the headers
// X-Request-Start and X-Queue-Start which is within maxQueueTime of now. ok is
// false if there is none. The keys of h are in the form in which net/http keeps them.
func queueTimeOf(h http.Header, now int64) (d time.Duration, ok bool) {
	d = -1
	if lines := h["X-Request-Start"]; len(lines) > 0 {
		d = longest(d, lines, now)
	}
	if lines := h["X-Queue-Start"]; len(lines) > 0 {
		d = longest(d, lines, now)
	}
	return max(d, 0), d >= 0
}

// longest returns the longest of d and the queue times in one header's lines. A line
// holds the values of several proxies, between commas, spaces, quotes or brackets.
func longest(d time.Duration, lines []string, now int64) time.Duration {
	budget := maxQueueBytes
	for _, line := range lines {
		whole := len(line)
		line = line[:min(whole, budget)]
		for i := 0; i < len(line); i++ {
			from := i
			for i < len(line) && !separates(line[i]) {
				i++
			}
			if i == from || i == budget && i < whole { // a number cut in two is another number
				continue
			}
			if start, ok := parseStart(line[from:i]); ok {
				// Neither is negative, so the difference does not overflow. A moment
				// after now comes from a router whose clock is ahead of ours.
				if q := time.Duration(now - start); -maxQueueTime <= q && q <= maxQueueTime {
					d = max(d, q, 0)
				}
			}
		}
		budget -= len(line) + 1 // an empty line costs something too
		if budget <= 0 {
			break
		}
	}
	return d
}

func separates(c byte) bool {
	switch c {
	case ',', ';', ' ', '\t', '"', '\'', '`', ':', '|', '&', '(', ')', '[', ']', '{', '}', '<', '>':
		return true
	}
	return false
}

// parseStart reads a moment since 1970 in nanoseconds, from one value of
// X-Request-Start: [t=]digits[.digits][ms]. The unit is the one that gives a year of
// our time, whatever letters follow the number.
func parseStart(s string) (ns int64, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '=' || s[i] == '_' || isLetter(s[i])) {
		i++
	}
	first, n := i, uint64(0)
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = n*10 + uint64(s[i]-'0')
	}
	if i == first || i > first+19 || n > math.MaxInt64 { // 19 digits do not overflow
		return 0, false
	}
	ns = int64(n)
	unit := int64(1)
	switch {
	case ns < 1e11: // seconds until the year 5138
		unit = 1e9
	case ns < 1e14: // milliseconds from 1973 on
		unit = 1e6
	case ns < 1e17:
		unit = 1e3
	}
	if ns > math.MaxInt64/unit-1 {
		return 0, false
	}
	ns *= unit
	if i < len(s) && s[i] == '.' {
		i++
		first = i
		for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
			unit /= 10
			ns += int64(s[i]-'0') * unit
		}
		if i == first {
			return 0, false
		}
	} else if unit == 1e9 {
		ns += unit - 1 // when in that second is not known: the end of it makes up no queue time
	}
	for i < len(s) && isLetter(s[i]) {
		i++
	}
	return ns, i == len(s)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
