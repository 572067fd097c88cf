package traffic

import (
	"math"
	"time"
)

// maxQueueTime is beyond what any router waits: it is the clock of another day, or
// a number that means something else.
const maxQueueTime = time.Minute

// queueTime returns how long before now, in nanoseconds since 1970, the moment in
// value was. ok is false if it is no moment, or too far away.
func queueTime(value string, now int64) (d time.Duration, ok bool) {
	start, ok := parseStart(value)
	if !ok {
		return 0, false
	}
	d = time.Duration(now - start) // neither is negative: no overflow
	if d > maxQueueTime || d < -maxQueueTime {
		return 0, false
	}
	return max(d, 0), true
}

// parseStart reads a moment since 1970 in nanoseconds, from the formats of
// X-Request-Start: [t=]digits[.digits], and what follows a comma or a space is
// another proxy's. The unit is the one that makes it a year of this age.
func parseStart(s string) (ns int64, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '=' || s[i] == ' ' || 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z') {
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
	}
	return ns, i == len(s) || s[i] == ',' || s[i] == ' '
}
