package autoscale_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones, on machines that have none

	"github.com/autoscalebot/autoscale"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestScheduleAt(t *testing.T) {
	berlin, havana, apia := zone(t, "Europe/Berlin"), zone(t, "America/Havana"), zone(t, "Pacific/Apia")
	daily := map[string]int{"0:00": 2, "9:00": 5, "17:30": 3}
	for _, tt := range []struct {
		name     string
		schedule autoscale.Schedule
		at       string // RFC 3339
		want     int
	}{
		{"fixed", autoscale.Fixed(4), "2026-03-02T12:00:00Z", 4},
		{"unset", autoscale.Schedule{}, "2026-03-02T12:00:00Z", 0},
		{"at an entry", autoscale.Daily(berlin, daily), "2026-03-02T09:00:00+01:00", 5},
		{"a nanosecond before", autoscale.Daily(berlin, daily), "2026-03-02T08:59:59.999999999+01:00", 2},
		{"minutes count", autoscale.Daily(berlin, daily), "2026-03-02T17:29:59+01:00", 5},
		{"minutes count", autoscale.Daily(berlin, daily), "2026-03-02T17:30:00+01:00", 3},
		{"in another zone than asked in", autoscale.Daily(berlin, daily), "2026-07-02T07:00:00Z", 5},
		{"before the first entry: yesterday's last", autoscale.Daily(berlin, map[string]int{"9:00": 5, "18:00": 1}), "2026-03-02T03:00:00+01:00", 1},
		{"one entry holds all day", autoscale.Daily(berlin, map[string]int{"9:00": 5}), "2026-03-02T03:00:00+01:00", 5},

		// Weekdays: 2026-03-06 is a Friday.
		{"on Friday evening", weekly(berlin), "2026-03-06T20:00:00+01:00", 2},
		{"all weekend", weekly(berlin), "2026-03-08T12:00:00+01:00", 2},
		{"on Monday at 8", weekly(berlin), "2026-03-09T08:00:00+01:00", 6},
		{"before Monday's entry", weekly(berlin), "2026-03-09T07:59:00+01:00", 2},

		// 2026-03-29 in Berlin has 23 hours: 2:00 to 3:00 is not shown.
		{"an entry that is skipped begins at the change", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-03-29T03:00:00+02:00", 7},
		{"and not before", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-03-29T01:59:59+01:00", 1},
		{"two that are skipped: the later", autoscale.Daily(berlin, map[string]int{"2:10": 7, "2:50": 8}), "2026-03-29T03:00:00+02:00", 8},

		// 2026-10-25 in Berlin has 25 hours: 2:00 to 3:00 is shown twice.
		{"an entry shown twice begins at the first", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-10-25T02:30:00+02:00", 7},
		{"and does not end while the hour is repeated", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-10-25T02:10:00+01:00", 7},
		{"nor before it", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-10-25T02:29:00+02:00", 1},
		{"the day after is as ever", autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-10-26T02:10:00+01:00", 1},

		// Havana puts its clocks back from 1:00 to 0:00.
		{"midnight shown twice", autoscale.Daily(havana, map[string]int{"0:00": 3, "0:30": 4, "22:00": 1}), "2025-11-02T00:10:00-05:00", 4},
		// Apia had no 30 December 2011.
		{"a day that was skipped", autoscale.Daily(apia, daily), "2011-12-31T00:00:00+14:00", 2},
	} {
		at, err := time.Parse(time.RFC3339Nano, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.schedule.At(at); got != tt.want {
			t.Errorf("%s: %v at %s = %d, want %d", tt.name, tt.schedule, tt.at, got, tt.want)
		}
	}
}

func weekly(loc *time.Location) autoscale.Schedule {
	work := map[string]int{"8:00": 6, "19:00": 2}
	return autoscale.Weekly(loc, map[time.Weekday]map[string]int{
		time.Monday: work, time.Tuesday: work, time.Wednesday: work, time.Thursday: work, time.Friday: work,
	})
}

func TestScheduleNext(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, tt := range []struct {
		schedule autoscale.Schedule
		after    string
		want     string
	}{
		{autoscale.Fixed(4), "2026-03-02T12:00:00Z", ""},
		{autoscale.Daily(berlin, map[string]int{"9:00": 5}), "2026-03-02T12:00:00Z", ""},
		{autoscale.Daily(berlin, map[string]int{"9:00": 5, "12:00": 5, "18:00": 1}), "2026-03-02T09:00:00+01:00", "2026-03-02T18:00:00+01:00"},
		{weekly(berlin), "2026-03-06T19:00:00+01:00", "2026-03-09T08:00:00+01:00"},
		{autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-03-29T00:30:00+01:00", "2026-03-29T03:00:00+02:00"},
		{autoscale.Daily(berlin, map[string]int{"0:00": 1, "2:30": 7}), "2026-10-25T02:30:00+02:00", "2026-10-26T00:00:00+01:00"},
	} {
		after, _ := time.Parse(time.RFC3339, tt.after)
		want, _ := time.Parse(time.RFC3339, tt.want)
		if got := tt.schedule.Next(after); !got.Equal(want) {
			t.Errorf("%v after %s: next is %v, want %v", tt.schedule, tt.after, got, want)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"3", "3"},
		{" 0 ", "0"},
		{`{"0:00": 2, "9:00": 5, "17:00": 2}`, `{"0:00": 2, "9:00": 5, "17:00": 2} UTC`},
		{`{ "9:00" = 5, "17:00" = 2 }`, `{"9:00": 5, "17:00": 2} UTC`},
		{`{'17:00': 2, '09:05': 5}`, `{"9:05": 5, "17:00": 2} UTC`},
	} {
		s, err := autoscale.ParseSchedule(tt.text, time.UTC)
		if err != nil || s.String() != tt.want {
			t.Errorf("ParseSchedule(%s) = %v, %v; want %s", tt.text, s, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"":                           "must be a number",
		"many":                       "must be a number",
		"-1":                         "must be 0 or more",
		"2.5":                        "must be a number",
		"99999999999999999999":       "must be a number",
		`{}`:                         "has no entry",
		`{"9:00": 5`:                 "EOF",
		`{"9:00": 5} 7`:              "follows the closing brace",
		`{"9:00": 5} {"10:00": 6}`:   "follows the closing brace",
		`{"25:00": 5}`:               `"25:00" is not a time of day`,
		`{"9": 5}`:                   `"9" is not a time of day`,
		`{"9:0": 5}`:                 `"9:0" is not a time of day`,
		`{"+9:00": 5}`:               `"+9:00" is not a time of day`,
		`{"9:60": 5}`:                `"9:60" is not a time of day`,
		`{"9:00": -5}`:               `the entry for "9:00" is -5`,
		`{"9:00": 2.5}`:              `the entry for "9:00" is 2.5`,
		`{"9:00": "5"}`:              `the entry for "9:00" is not a number`,
		`{"9:00": null}`:             `the entry for "9:00" is not a number`,
		`{"9:00": {"10:00": 2}}`:     `the entry for "9:00" is not a number`,
		`{"9:00": 5, "9:00": 6}`:     `"9:00" is given twice`,
		`{"9:00": 5, "09:00": 6}`:    `is given twice`,
		`{"25:00": 5, "26:00": 5}`:   `"26:00" is not a time of day`,
		`{"25:00": 5, "10:00": "x"}`: `"10:00" is not a number`,
	} {
		s, err := autoscale.ParseSchedule(text, time.UTC)
		if err == nil {
			t.Errorf("ParseSchedule(%s) = %v, want an error", text, s)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSchedule(%s): error %q does not say %q", text, err, want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add(`{"0:00": 2, "9:00": 5, "17:00": 2}`, int64(1774746000), uint8(0))
	f.Add(`{"2:30": 7, "2:10": 1}`, int64(1774746000), uint8(1))
	f.Add("3", int64(0), uint8(2))
	zones := []*time.Location{
		time.UTC, zone(f, "Europe/Berlin"), zone(f, "America/Havana"), zone(f, "Australia/Lord_Howe"),
		zone(f, "America/Sao_Paulo"), zone(f, "Pacific/Apia"), zone(f, "Africa/Casablanca"), zone(f, "Asia/Kathmandu"),
	}
	f.Fuzz(func(t *testing.T, text string, unix int64, z uint8) {
		loc := zones[int(z)%len(zones)]
		s, err := autoscale.ParseSchedule(text, loc)
		if err != nil {
			return
		}
		again, err := autoscale.ParseSchedule(strings.TrimSuffix(s.String(), " "+loc.String()), loc)
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q reads as %v, which reads as %v, %v", text, s, again, err)
		}
		// A century on each side of 1970: the zones' rules end in 2037.
		now := time.Unix(unix%(100*365*24*3600), 0)
		size := s.At(now)
		if size < 0 {
			t.Fatalf("%v at %v is %d", s, now, size)
		}
		next := s.Next(now)
		if next.IsZero() {
			for h := range 24 * 9 {
				if got := s.At(now.Add(time.Duration(h) * time.Hour)); got != size {
					t.Fatalf("%v never changes after %v, and is %d and then %d", s, now, size, got)
				}
			}
			return
		}
		if !next.After(now) || next.Sub(now) > 9*24*time.Hour {
			t.Fatalf("%v: the next change after %v is %v", s, now, next)
		}
		if s.At(next) == size || s.At(next.Add(-1)) != size {
			t.Fatalf("%v: %d at %v, %d just before the next change at %v, %d at it", s, size, now, s.At(next.Add(-1)), next, s.At(next))
		}
		for i := range 50 {
			at := now.Add(next.Sub(now) / 50 * time.Duration(i))
			if got := s.At(at); got != size {
				t.Fatalf("%v: %d at %v and %d at %v, with no change until %v", s, size, now, got, at, next)
			}
		}
	})
}

func TestParseScheduleTrailingText(t *testing.T) {
	for _, s := range []string{`{"0:00": 2}, "9:00": 50}`, `{"0:00": 2}, {"9:00": 50}`, `{"0:00": 2}}`, `{"0:00": 2} nonsense`} {
		if got, err := autoscale.ParseSchedule(s, time.UTC); err == nil {
			t.Errorf("%s: read as %v", s, got)
		}
	}
}
