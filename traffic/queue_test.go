package traffic_test

import (
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

const none = time.Duration(-1)

// now is the moment of these tests.
var now = time.Unix(1_780_000_000, 250_000_000)

func queueTime(t *testing.T, h http.Header) time.Duration {
	t.Helper()
	d, ok := traffic.QueueTimeOf(h, now.UnixNano())
	if !ok {
		if d != 0 {
			t.Errorf("%q: %v without ok", h, d)
		}
		return none
	}
	return d
}

func TestQueueTime(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1780000000000":               250 * time.Millisecond, // Heroku
		"t=1780000000.125":            125 * time.Millisecond, // nginx
		"1780000000.125":              125 * time.Millisecond,
		"t=1780000000":                0, // at any time within that second
		"t=1779999998":                1250*time.Millisecond + 1,
		"t=1780000000240000":          10 * time.Millisecond, // Apache
		"1780000000249999999":         time.Nanosecond,       // Render
		"t=1780000000200.5":           49500 * time.Microsecond,
		"ts=1780000000200":            50 * time.Millisecond,
		"T= 1780000000200":            50 * time.Millisecond,
		"1780000000200,t=3":           50 * time.Millisecond,
		"1780000000200, x":            50 * time.Millisecond,
		"1780000000200 D=3":           50 * time.Millisecond,
		"D=3 t=1780000000200":         50 * time.Millisecond,
		"\"t=1780000000.125\"":        125 * time.Millisecond,
		"t=\"1780000000.125\"":        125 * time.Millisecond,
		"'1780000000125'":             125 * time.Millisecond,
		"\t1780000000125\t":           125 * time.Millisecond,
		"-, t=1780000000.125":         125 * time.Millisecond,
		"-,t=1780000000.125":          125 * time.Millisecond,
		"(null), t=1780000000.1":      150 * time.Millisecond,
		"t=(null), 1780000000.1":      150 * time.Millisecond,
		",,, t=1780000000.125":        125 * time.Millisecond,
		"t:1780000000.125":            125 * time.Millisecond,
		"[1780000000125]":             125 * time.Millisecond,
		"(t=1780000000125)":           125 * time.Millisecond,
		"{\"t\":1780000000125}":       125 * time.Millisecond,
		"t=-|t=1780000000125":         125 * time.Millisecond,
		"1780000000125ms":             125 * time.Millisecond,
		"t=1780000000125000us":        125 * time.Millisecond,
		"1780000000.125s":             125 * time.Millisecond,
		"req_start=1780000000125":     125 * time.Millisecond,
		"10.0.0.1:8080 1780000000125": 125 * time.Millisecond,
		"1780000000125ab12":           none,
		"1780000000ms.5":              none,
		"\"-\", \"t=1779999999\"":     250*time.Millisecond + 1,

		// The earliest believable one, wherever it is.
		"1780000000200, 1780000000050":                200 * time.Millisecond,
		"1780000000050, 1780000000200":                200 * time.Millisecond,
		"t=1780000000.2, 1780000000050000, 178000000": 200 * time.Millisecond,
		"1779996400000, 1780000000200":                50 * time.Millisecond, // an hour old
		"1780000000200, 1779996400000":                50 * time.Millisecond,
		"1780000000300, 1780000000200":                50 * time.Millisecond, // one clock is ahead
		"1780000000300, 1779996400000":                0,
		"-, (null), unknown, 0":                       none,
		"1780000000.123456789":                        126543211 * time.Nanosecond,
		"1780000000.12345678999":                      126543211 * time.Nanosecond, // no finer than 1 ns
		"1780000000250":                               0,
		"1780000000251":                               0, // a router's clock ahead of ours
		"1780000060250":                               0, // by a minute
		"1780000060251":                               none,
		"1779999940250":                               time.Minute,
		"1779999940249":                               none,
		"0":                                           none,
		"":                                            none,
		"t=":                                          none,
		"-1780000000000":                              none,
		"1780000000.":                                 none,
		"1780000000.5.5":                              none,
		".5":                                          none,
		"1.78e12":                                     none,
		"9223372036854775807":                         none,
		"99999999999":                                 none, // seconds beyond what fits
		"17800000000000000000":                        none,
		"20226744073909551616":                        none, // 2^64 more than a good one
		"17800000000000000000000000000000000000000": none,
		"2026-05-28T20:26:40Z":                      none,
	} {
		for _, key := range []string{"X-Request-Start", "X-Queue-Start"} {
			if got := queueTime(t, http.Header{key: {value}}); got != want {
				t.Errorf("%s: %q: %v, want %v", key, value, got, want)
			}
		}
	}
}

// The values of both headers and of all their lines count.
func TestQueueTimeOfManyLines(t *testing.T) {
	const at50, at200, hour = "t=1780000000.050", "1780000000200", "1779996400000"
	for _, tt := range []struct {
		start, queue []string
		want         time.Duration
	}{
		{nil, nil, none},
		{[]string{""}, []string{}, none},
		{[]string{"", at200}, nil, 50 * time.Millisecond},
		{[]string{"-", at200}, nil, 50 * time.Millisecond},
		{[]string{hour, at200}, nil, 50 * time.Millisecond},
		{[]string{at200, hour, at50}, nil, 200 * time.Millisecond},
		{[]string{at50, at200}, nil, 200 * time.Millisecond},
		{nil, []string{"-", at200}, 50 * time.Millisecond},
		{[]string{at200}, []string{at50}, 200 * time.Millisecond},
		{[]string{at50}, []string{at200}, 200 * time.Millisecond},
		{[]string{"-"}, []string{at50}, 200 * time.Millisecond},
		{[]string{at50}, []string{hour}, 200 * time.Millisecond},
	} {
		if got := queueTime(t, http.Header{"X-Request-Start": tt.start, "X-Queue-Start": tt.queue}); got != tt.want {
			t.Errorf("%q and %q: %v, want %v", tt.start, tt.queue, got, tt.want)
		}
	}
}

// What a hostile client sends is read up to 1 KiB, and the other header is still read.
func TestQueueTimeIsBounded(t *testing.T) {
	const good = "1780000000200"
	for name, lines := range map[string][]string{
		"a long line": {strings.Repeat(",", 1<<20) + good},
		"many lines":  append(make([]string, 1<<20), good),
		"long digits": {strings.Repeat("1", 1<<20), good},
		"both":        append([]string{strings.Repeat("x", 1000)}, append(make([]string, 100), good)...),
	} {
		h := http.Header{"X-Request-Start": lines}
		if got := queueTime(t, h); got != none {
			t.Errorf("%s: read to the end: %v", name, got)
		}
		h["X-Queue-Start"] = []string{good}
		if got := queueTime(t, h); got != 50*time.Millisecond {
			t.Errorf("%s: the other header gives %v", name, got)
		}
		if n := testing.AllocsPerRun(10, func() { traffic.QueueTimeOf(h, now.UnixNano()) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	near := strings.Repeat("t=-,", 200) + good // 813 bytes
	if got := queueTime(t, http.Header{"X-Request-Start": {near}}); got != 50*time.Millisecond {
		t.Errorf("a header of %d bytes gives %v", len(near), got)
	}
	// A number that the bound cuts in two is not another number.
	for n := range 40 {
		cut := strings.Repeat(",", 1024-n) + "1780000000200"
		if got, want := queueTime(t, http.Header{"X-Request-Start": {cut}}), 50*time.Millisecond; got != none && got != want {
			t.Errorf("cut after %d bytes: %v", n, got)
		}
	}
}

// FuzzQueueTime compares the queue time with the one that exact arithmetic gives for
// the separate values of two lines.
func FuzzQueueTime(f *testing.F) {
	for _, s := range []string{"1780000000000", "t=1780000000.125", "1780000000249999999", "t=1780000000240000", "1.9999999999", "99999999999.9", "9999999999999999999", "a b=1,2", "-, t=1780000000.2", "(null), \"t=1780000000.1\"", "1780000000200, 1780000000050", ",,,"} {
		f.Add(s, "-", int64(1_780_000_000_250_000_000))
		f.Add("1780000000240", s, int64(1_780_000_000_250_000_000))
	}
	f.Fuzz(func(t *testing.T, one, two string, now int64) {
		now = max(now, 0)
		if len(one)+len(two) > 1000 {
			return // beyond the bound
		}
		want := none
		for _, value := range strings.FieldsFunc(one+","+two, func(r rune) bool { return strings.ContainsRune(",; \t\"'`:|&()[]{}<>", r) }) {
			ns, ok := traffic.ParseStart(value)
			if exact := exactStart(value); ok != (exact != nil) || ok && exact.Int64() != ns {
				t.Fatalf("%q: %d ns, %v, want %v", value, ns, ok, exact)
			}
			if d := time.Duration(now - ns); ok && d.Abs() <= time.Minute {
				want = max(want, d, 0)
			}
		}
		for _, h := range []http.Header{
			{"X-Request-Start": {one, two}},
			{"X-Request-Start": {one}, "X-Queue-Start": {two}},
			{"X-Queue-Start": {one + "," + two}},
		} {
			d, ok := traffic.QueueTimeOf(h, now)
			if ok != (want >= 0) || d != max(want, 0) {
				t.Fatalf("%q at %d: %v, %v, want %v", h, now, d, ok, want)
			}
		}
	})
}

var startForm = regexp.MustCompile(`^[a-zA-Z=_]*([0-9]{1,19}(\.[0-9]+)?)[a-zA-Z]*$`)

// exactStart returns the nanoseconds since 1970 of a value, or nil if it is not one.
func exactStart(value string) *big.Int {
	found := startForm.FindStringSubmatch(value)
	if found == nil {
		return nil
	}
	number, _ := new(big.Rat).SetString(found[1])
	for _, unit := range []struct{ below, ns int64 }{{1e11, 1e9}, {1e14, 1e6}, {1e17, 1e3}, {1<<63 - 1, 1}} {
		if number.Cmp(new(big.Rat).SetInt64(unit.below)) < 0 {
			number.Mul(number, new(big.Rat).SetInt64(unit.ns))
			floor := new(big.Int).Quo(number.Num(), number.Denom())
			if unit.ns == 1e9 && found[2] == "" {
				floor.Add(floor, big.NewInt(1e9-1))
			}
			// The last second that fits into 64 bits is left out.
			if floor.Cmp(big.NewInt((1<<63-1)/unit.ns*unit.ns)) >= 0 {
				return nil
			}
			return floor
		}
	}
	return nil
}
