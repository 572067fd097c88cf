package pool

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// The pause grows for a program that cannot run, and not for processes that crash now and
// then, however many of them there are.
func TestCrashPauses(t *testing.T) {
	for _, tt := range []struct {
		name          string
		every, uptime time.Duration
		want          time.Duration // of the tenth
	}{
		{"at once", 0, 0, time.Minute},
		{"at once, after each pause", time.Minute, time.Second, time.Minute},
		{"ten processes, each once in a quarter of an hour", 90 * time.Second, 15 * time.Minute, time.Second},
		{"one, rarely", 5 * time.Minute, 10 * time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var last Event
			p := New(Options{Command: []string{"web"}, Logger: slog.New(slog.DiscardHandler), Observe: func(e Event) { last = e }})
			for range 10 {
				time.Sleep(tt.every)
				p.crashed(Event{Kind: Crashes, Uptime: tt.uptime})
			}
			if last.Pause != tt.want {
				t.Errorf("%s: the pause is %v, want %v", tt.name, last.Pause, tt.want)
			}
		})
	}
}
