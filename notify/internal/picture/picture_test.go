package picture_test

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/internal/picture"
)

var now = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)

// hour returns the points of an hour in which the load rises.
func hour() []history.Point {
	var points []history.Point
	for i := range 120 {
		p := history.Point{Time: now.Add(time.Duration(i-119) * 30 * time.Second), Size: 2 + i/30, Min: 1, Max: 5, Delay: "latency", Wait: .2 + .01*float64(i%30)}
		if i > 60 {
			p.Recommends, p.Recommended = true, 3+i/30
			p.Wait += float64(i-60) / 40
		}
		if i > 40 && i < 48 {
			p.Delay, p.Wait = "", 0
		}
		points = append(points, p)
	}
	return points
}

func TestDraw(t *testing.T) {
	p, ok := picture.Draw(hour(), now)
	if !ok {
		t.Fatal("nothing was drawn")
	}
	img, err := png.Decode(bytes.NewReader(p.PNG))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 2*picture.Width || b.Dy() != 2*picture.Height {
		t.Errorf("the picture is %v", b)
	}
	if len(p.PNG) > 20<<10 {
		t.Errorf("the picture has %d bytes", len(p.PNG))
	}
	if want := "In the last hour the size was 2 to 5, and is 5 now. The rule recommended at most 6 processes. The latency was 200ms to 2.0s, and is 2.0s now."; p.Text != want {
		t.Errorf("got  %s\nwant %s", p.Text, want)
	}
	if p.Load != "latency" || !p.Recommended {
		t.Errorf("got %q, %t", p.Load, p.Recommended)
	}
	count := map[uint32]int{}
	for y := range 2 * picture.Height {
		for x := range 2 * picture.Width {
			r, g, b, _ := img.At(x, y).RGBA()
			count[r>>8<<16|g>>8<<8|b>>8]++
		}
	}
	for name, c := range map[string]uint32{"size": picture.SizeColour, "recommended": picture.RecommendedColour, "load": picture.LoadColour, "bounds": picture.BoundColour} {
		if count[c] < 500 {
			t.Errorf("the line of the %s has %d pixels", name, count[c])
		}
	}
	if file := os.Getenv("PICTURE_FILE"); file != "" {
		if err := os.WriteFile(file, p.PNG, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the points are, drawing ends, and does not panic.
func TestDrawTakesAnything(t *testing.T) {
	odd := []history.Point{}
	for i, v := range []float64{0, math.NaN(), math.Inf(1), -1, 1e300, math.SmallestNonzeroFloat64} {
		odd = append(odd, history.Point{Time: now.Add(time.Duration(i-10) * time.Minute), Size: math.MaxInt, Min: math.MinInt, Max: math.MaxInt, Recommended: math.MinInt, Recommends: true, Signal: "busy", Load: v})
	}
	zero := []history.Point{{Time: now.Add(-time.Minute)}, {Time: now}}
	for name, tc := range map[string]struct {
		points []history.Point
		drawn  bool
		text   string
	}{
		"none":   {nil, false, ""},
		"one":    {hour()[:1], false, ""},
		"old":    {[]history.Point{{Time: now.Add(-2 * time.Hour)}, {Time: now.Add(-time.Hour)}}, false, ""},
		"future": {[]history.Point{{Time: now.Add(time.Second)}, {Time: now.Add(time.Hour)}}, false, ""},
		"zero":   {zero, true, "In the last hour the size was always 0."},
		"odd":    {odd, true, ""},
	} {
		p, ok := picture.Draw(tc.points, now)
		if ok != tc.drawn || !strings.Contains(p.Text, tc.text) {
			t.Errorf("%s: %t, %q", name, ok, p.Text)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	points := hour()
	for b.Loop() {
		picture.Draw(points, now)
	}
}
