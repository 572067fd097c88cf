package published_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/published"
	"github.com/autoscalebot/autoscale/limit"
)

func TestSize(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	fresh := func(size int) autoscale.Status {
		s := autoscale.Status{Name: "web", Ticked: now.Add(-published.StaleAfter), Known: true}
		s.Last.Decision.Size = size
		return s
	}
	with := func(change func(*autoscale.Status)) autoscale.Status {
		s := fresh(3)
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name   string
		status autoscale.Status
		size   int
		fault  string // in the error. Empty: no error
	}{
		{"known", fresh(3), 3, ""},
		{"zero is a size", fresh(0), 0, ""},
		{"no tick", autoscale.Status{Name: "web"}, 0, "no tick yet"},
		{"stale", with(func(s *autoscale.Status) { s.Ticked = s.Ticked.Add(-time.Second) }), 0, "was 5m1s ago, and what it came to holds for 5m0s"},
		{"the size was never read", with(func(s *autoscale.Status) { s.Known = false }), 0, "the size of web is not known"},
		{"the platform does not answer", with(func(s *autoscale.Status) { s.ScaleFailures = 1 }), 0, "the size of web is not known"},
		{"two lost probes", with(func(s *autoscale.Status) { s.ProbeFailures = 2 }), 3, ""},
		{"three lost probes", with(func(s *autoscale.Status) { s.ProbeFailures = 3 }), 0, "3 probes of web in a row measured nothing"},
		{"another process leads, without a Store", with(func(s *autoscale.Status) { s.Last.Limit = limit.ByNotLeader }), 0, "another process leads"},
		{"the Store has not answered", with(func(s *autoscale.Status) { s.Last.Limit, s.Last.Err = limit.ByNotLeader, autoscale.ErrStoreSilent }), 0, "the Store of the autoscaler of web has not answered yet"},
		{"negative", fresh(-1), 0, "the size of web is not known"},
	} {
		size, err := published.Size(tt.status, now, published.StaleAfter)
		if size != tt.size || (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %d, %v", tt.name, size, err)
		}
	}
}
