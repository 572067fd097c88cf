package main

import (
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// The busiest whole day is taken, its peak demands the wanted number of processes, and a
// sparse trace makes no load of its noise.
func TestPrepare(t *testing.T) {
	const minutes = 24 * 60
	start := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		rate func(day, minute int) float64 // requests in a minute
		peak float64                       // over the mean, at most
	}{
		{"dense", func(day, _ int) float64 { return 600 * float64(1+day%2) }, 1.001},
		{"sparse and noisy", func(day, minute int) float64 { return float64(4*(1+day%2)) * float64(minute%3) }, 1.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rates := make([]float64, 3*minutes)
			for i := range rates {
				rates[i] = c.rate(i/minutes, i%minutes) / 60
			}
			raw, err := sim.NewLoad(start, time.Minute, rates)
			if err != nil {
				t.Fatal(err)
			}
			// One of the three days is the busiest, and the two others are alike.
			second, err := prepare(load{Load: raw}, settings{days: 1, peak: 36, rank: 2, smooth: smoothing}, .6)
			if err != nil {
				t.Fatal(err)
			}
			if !second.begin.Equal(start) {
				t.Errorf("the next busiest day is that from %v, want %v", second.begin, start)
			}
			if _, err := prepare(load{Load: raw}, settings{days: 1, peak: 36, rank: 4, smooth: smoothing}, .6); err == nil {
				t.Error("a fourth of three days: no error")
			}
			got, err := prepare(load{Load: raw}, settings{days: 1, peak: 36, rank: 1, smooth: smoothing}, .6)
			if err != nil {
				t.Fatal(err)
			}
			if want := start.Add(24 * time.Hour); !got.begin.Equal(want) || got.Duration() != 24*time.Hour {
				t.Errorf("%v from %v, want the day from %v", got.Duration(), got.begin, want)
			}
			// 36 processes with two slots at 0.6 and 100 ms.
			if want := 36 * 2 * .6 / .1; math.Abs(got.Peak()-want) > 1e-6 {
				t.Errorf("the peak is %v a second, want %v", got.Peak(), want)
			}
			if ratio := got.Peak() / got.Mean(); ratio > c.peak {
				t.Errorf("the peak is %v times the mean, want at most %v", ratio, c.peak)
			}
		})
	}
}
