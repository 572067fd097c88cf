package traffic_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// Any process knows what each of them measured.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		first, stopFirst := process(t, b, "web.1", 10, 100*time.Millisecond)
		second, stopSecond := process(t, b, "web.2", 30, 200*time.Millisecond)
		time.Sleep(time.Minute)
		if err := b.Publish(t.Context(), "web.9", []byte("of another release")); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*traffic.Shared{first, second} {
			type wrapped struct{ autoscale.Prober }
			a := autoscale.New(autoscale.Config{Prober: wrapped{s}, Logger: quiet})
			shares, err := a.Shares(t.Context())
			if err != nil || len(shares) != 2 {
				t.Fatalf("%+v, %v", shares, err)
			}
			for i, want := range []struct {
				name           string
				arrivals, busy float64
				latency        time.Duration
			}{{"web.1/", 10, 1, 100 * time.Millisecond}, {"web.2/", 30, 6, 200 * time.Millisecond}} {
				got := shares[i]
				if !strings.HasPrefix(got.Process, want.name) || !about(got.Arrivals, want.arrivals) || !about(got.Busy, want.busy) ||
					!about(got.Latency.Seconds(), want.latency.Seconds()) || got.Age < 0 || got.Age > 10*time.Second {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		}
		stopFirst()
		stopSecond()
		time.Sleep(time.Second) // for the requests that are under way
		b.breaks(func() error { return errors.New("the board is away") })
		a := autoscale.New(autoscale.Config{Prober: first, Logger: quiet})
		if _, err := a.Shares(t.Context()); err == nil || !strings.Contains(err.Error(), "the board is away") {
			t.Errorf("Shares without the board: %v", err)
		}
		a = autoscale.New(autoscale.Config{Prober: first.Traffic, Logger: quiet})
		if shares, err := a.Shares(t.Context()); shares != nil || err != nil {
			t.Errorf("Shares of a Prober that is no Sharer: %v, %v", shares, err)
		}
	})
}

func about(got, want float64) bool { return got > 0.85*want && got < 1.15*want }
