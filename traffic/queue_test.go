package traffic_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

func TestQueueTime(t *testing.T) {
	now := time.Unix(1_780_000_000, 250_000_000)
	const none = time.Duration(-1)
	for value, want := range map[string]time.Duration{
		"1780000000000":          250 * time.Millisecond, // Heroku
		"t=1780000000.125":       125 * time.Millisecond, // nginx
		"1780000000.125":         125 * time.Millisecond,
		"t=1780000000":           250 * time.Millisecond,
		"t=1780000000240000":     10 * time.Millisecond, // Apache
		"1780000000249999999":    time.Nanosecond,       // Render
		"t=1780000000200.5":      49500 * time.Microsecond,
		"ts=1780000000200":       50 * time.Millisecond,
		"T= 1780000000200":       50 * time.Millisecond,
		"1780000000200,t=3":      50 * time.Millisecond,
		"1780000000200, x":       50 * time.Millisecond,
		"1780000000.123456789":   126543211 * time.Nanosecond,
		"1780000000.12345678999": 126543211 * time.Nanosecond, // no finer than 1 ns
		"1780000000250":          0,
		"1780000000251":          0, // a router's clock ahead of ours
		"1780000060250":          0, // by a minute
		"1780000060251":          none,
		"1779999940250":          time.Minute,
		"1779999940249":          none,
		"0":                      none,
		"":                       none,
		"t=":                     none,
		"-1780000000000":         none,
		"1780000000.":            none,
		"1780000000.5.5":         none,
		".5":                     none,
		"1.78e12":                none,
		"9223372036854775807":    none,
		"99999999999":            none, // seconds beyond what fits
		"17800000000000000000":   none,
		"20226744073909551616":   none, // 2^64 more than a good one
		"17800000000000000000000000000000000000000": none,
		"2026-05-28T20:26:40Z":                      none,
	} {
		got, ok := traffic.QueueTime(value, now.UnixNano())
		if !ok {
			got = none
		}
		if got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// FuzzQueueTime compares the moment with the one that exact arithmetic gives.
func FuzzQueueTime(f *testing.F) {
	for _, s := range []string{"1780000000000", "t=1780000000.125", "1780000000249999999", "t=1780000000240000", "1.9999999999", "99999999999.9", "9999999999999999999", "a b=1,2"} {
		f.Add(s, int64(1_780_000_000_250_000_000))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		now = max(now, 0)
		d, ok := traffic.QueueTime(value, now)
		if d < 0 || d > time.Minute || !ok && d != 0 {
			t.Fatalf("%q: %v, %v", value, d, ok)
		}
		ns, ok := traffic.ParseStart(value)
		if !ok {
			return
		}
		text := strings.TrimLeft(value, "= abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
		text, _, _ = strings.Cut(text, ",")
		text, _, _ = strings.Cut(text, " ")
		want, good := new(big.Rat).SetString(text)
		if !good || strings.ContainsAny(text, "eEpPxX_/+-") {
			t.Fatalf("%q was read as %d ns", value, ns)
		}
		for _, unit := range []struct{ below, ns int64 }{{1e11, 1e9}, {1e14, 1e6}, {1e17, 1e3}, {1<<63 - 1, 1}} {
			if want.Cmp(new(big.Rat).SetInt64(unit.below)) < 0 || unit.ns == 1 {
				want.Mul(want, new(big.Rat).SetInt64(unit.ns))
				break
			}
		}
		floor := new(big.Int).Quo(want.Num(), want.Denom())
		if !floor.IsInt64() || floor.Int64() != ns {
			t.Fatalf("%q: %d ns, want %v", value, ns, floor)
		}
	})
}
