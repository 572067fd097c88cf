package autoscale_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// TestForecast has a lunch hour of eight processes every day but Saturday and
// Sunday, and looks how many run at 12:00, when the recommendation is still one.
func TestForecast(t *testing.T) {
	r := newRecommender(t, 1, func(c *autoscale.Config) {
		c.Interval = 10 * time.Minute
		c.Limits.Forecast = limit.Forecast{Share: 1, Lead: 20 * time.Minute}
	})
	atNoon := make(map[string]int)
	raised := make(map[string]string) // when it first rose, by day
	for now := start; now.Before(start.AddDate(0, 0, 15)); now = now.Add(10 * time.Minute) {
		weekday := now.Weekday() != time.Saturday && now.Weekday() != time.Sunday
		r.recommend(1)
		if weekday && now.Hour() == 12 && now.Minute() > 0 {
			r.recommend(8)
		}
		if _, err := r.a.Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		day := now.Format("Mon 2")
		if now.Hour() == 12 && now.Minute() == 0 {
			atNoon[day] = r.platform.size
		}
		if r.platform.size > 1 && raised[day] == "" {
			raised[day] = now.Format("15:04")
		}
	}
	want := map[string]int{
		"Mon 2": 1,                                                 // nothing is known
		"Tue 3": 8, "Wed 4": 8, "Thu 5": 8, "Fri 6": 8, "Sat 7": 8, // yesterday's
		"Sun 8": 1, "Mon 9": 1, // yesterday had no lunch hour
		"Tue 10": 8, "Wed 11": 8, "Thu 12": 8, "Fri 13": 8, "Sat 14": 1, // a week ago had none
		"Sun 15": 1, "Mon 16": 1,
	}
	if diff := cmp.Diff(want, atNoon); diff != "" {
		t.Errorf("sizes at noon (-want +got)\n%s", diff)
	}
	if raised["Tue 3"] != "11:50" || raised["Mon 2"] != "12:10" {
		t.Errorf("raised at %s with a forecast and at %s without", raised["Tue 3"], raised["Mon 2"])
	}
}

// TestForecastFollowsTheClocks is about the day after Berlin's clocks went
// forward, when the same time yesterday is 23 hours ago.
func TestForecastFollowsTheClocks(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	r := newRecommender(t, 1, func(c *autoscale.Config) { c.Limits.Forecast = limit.Forecast{Share: 0.5, Location: berlin} })
	at := func(day, hour, n int) int {
		r.recommend(n)
		if _, err := r.a.Tick(t.Context(), time.Date(2026, 3, day, hour, 0, 0, 0, berlin)); err != nil {
			t.Fatal(err)
		}
		return r.platform.size
	}
	at(28, 12, 7) // Saturday
	at(28, 13, 1)
	if got := at(29, 12, 1); got != 4 { // half of seven, rounded up
		t.Errorf("%d at noon of the day of 23 hours, not 4", got)
	}
	if got := at(29, 13, 1); got != 1 {
		t.Errorf("%d an hour later, not 1", got)
	}
}
