package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/pool"
)

func sample(heartbeat bool) scene {
	s := newScript(fullLength, 1, heartbeat)
	sc := scene{script: s, elapsed: 45 * time.Second, load: 70, lately: served{pages: 350, p95: 850 * time.Millisecond}}
	for at := time.Duration(0); at <= sc.elapsed; at += frameTime {
		dynos := []pool.Process{{Number: 1, State: pool.Serving, Requests: 9}}
		if at > 10*time.Second {
			dynos = append(dynos, pool.Process{Number: 2, State: pool.Booting})
		}
		if at > 20*time.Second {
			dynos[1] = pool.Process{Number: 2, State: pool.Serving, Requests: 3}
			dynos = append(dynos, pool.Process{Number: 3, State: pool.Stopping})
		}
		sc.dynos = dynos
		sc.points = append(sc.points, point{at, s.load(at), dynos})
	}
	for i, latency := range []time.Duration{2, 80, 900, 1000, 3} {
		sc.measurements = append(sc.measurements, measurement{
			at: time.Duration(i+1) * 5 * time.Second, measured: true,
			latency: latency * time.Millisecond, inFlight: 2 * float64(i+1),
		})
	}
	sc.measurements[3].failure = autoscale.Timeout
	sc.entries = []entry{{0, byPlatform, "web.1 boots"}, {9 * time.Second, byAutoscaler, "from 1 to 2: " + strings.Repeat("words ", 30)}}
	sc.status = standing{Leader: "web.1", Text: processType + ": " + strings.Repeat("explanation ", 30)}
	return sc
}

func TestDraw(t *testing.T) {
	text := strings.Join(draw(sample(true), 80, 24).rows(false), "\n")
	for _, want := range []string{
		"0:45 of 1:30", "70 requests/s", "95% within 850ms", "200ms: above, add", "40ms: below, remove", "┄",
		" heartbeat", " web.5   ", "░", "▒", "■■■■ 5 waiting", "■■■□", "stops", "decision   explanation", " 0:00  web.1 boots", "…",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("terminal sequences without colours")
	}
	colored := strings.Join(draw(sample(true), 80, 24).rows(true), "\n")
	if !strings.Contains(colored, "\x1b[0;31m") {
		t.Error("colours: a timeout is not red")
	}
	plain := strings.NewReplacer("\x1b[0;1m", "", "\x1b[0;2m", "", "\x1b[0;31m", "", "\x1b[0;32m", "", "\x1b[0;33m", "", "\x1b[0;34m", "", "\x1b[0m", "").Replace(colored)
	if plain != text {
		t.Errorf("colours change more than colours:\n%s", plain)
	}
}

// Two dynos of four requests each are up, of which 60 % are enough.
func TestDrawTraffic(t *testing.T) {
	rows := draw(sample(false), 80, 24).rows(false)
	text := strings.Join(rows, "\n")
	for _, want := range []string{" in flight ", " 10.0 ", "4.8: above, add", "┄", "measured every 1s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "remove") {
		t.Errorf("the limits of the heartbeat are drawn:\n%s", text)
	}
}

// A window can have any size at any moment.
func TestDrawAnySize(t *testing.T) {
	for _, sc := range []scene{sample(false), sample(true), {script: newScript(leastLength, 1, false)}} {
		for width := range 140 {
			for height := range 50 {
				rows := draw(sc, width, height).rows(false)
				if len(rows) != height {
					t.Fatalf("%d rows in a window of %d", len(rows), height)
				}
				for _, row := range rows {
					if n := utf8.RuneCountInString(row); n != width {
						t.Fatalf("a row of %d cells in a window of %d: %q", n, width, row)
					}
				}
			}
		}
	}
}

func TestLoad(t *testing.T) {
	s := newScript(fullLength, 1, false)
	last := 0.0
	for at := time.Duration(0); at <= s.duration+s.patience; at += time.Second {
		now := s.load(at)
		if now < s.quiet || now > s.peak {
			t.Fatalf("load %v at %v, outside of %v to %v", now, at, s.quiet, s.peak)
		}
		if rises := at < 45*time.Second; rises && now < last || !rises && at > 50*time.Second && now > last {
			t.Fatalf("load goes from %v to %v at %v", last, now, at)
		}
		last = now
	}
	for at, want := range map[time.Duration]float64{0: s.quiet, 50 * time.Second: s.peak, 80 * time.Second: s.quiet} {
		if got := s.load(at); got != want {
			t.Errorf("load at %v is %v, want %v", at, got, want)
		}
	}
}
