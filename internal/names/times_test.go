package names_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

func TestTimes(t *testing.T) {
	for _, tt := range []struct{ sentence, want string }{
		{"", "<>"},
		{"stay at 5", "<stay at 5>"},
		{"2026-11-27T09:50:02Z", "<>09:50<>"},
		{"set to 9 until 2026-11-27T08:00:10Z (by root)", "<set to 9 until >08:00< (by root)>"},
		{"from 2026-11-27T08:00:10Z to 2026-11-27T18:30:00Z", "<from >08:00< to >18:30<>"},
		{"2026-11-99T08:00:10Z and 2026-11-27T08:00:10Z", "<2026-11-99T08:00:10Z and >08:00<>"},
		{"job-2026-11-27T08:00:10 is no time", "<job-2026-11-27T08:00:10 is no time>"},
	} {
		var b strings.Builder
		names.Times(tt.sentence, func(s string) { b.WriteString("<" + s + ">") }, func(at time.Time) { b.WriteString(at.Format("15:04")) })
		if b.String() != tt.want {
			t.Errorf("%q: %s, want %s", tt.sentence, b.String(), tt.want)
		}
	}
}
