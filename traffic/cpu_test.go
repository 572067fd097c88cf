package traffic_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

func TestCPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used time.Duration
		var broken error
		c := traffic.NewCPU(2, func() (time.Duration, error) { return used, broken })
		steps := []struct {
			after, uses time.Duration
			err         error
			want        float64
			fault       string
		}{
			{0, 3 * time.Second, nil, 0, "this was the first"},
			{10 * time.Second, 5 * time.Second, nil, .25, ""},
			{99 * time.Millisecond, time.Second, nil, 0, "was measured 99ms ago"},
			{9901 * time.Millisecond, 9 * time.Second, nil, .5, ""}, // since the one that measured
			{time.Second, 3 * time.Second, nil, 1, ""},              // never above
			{30 * time.Second, 0, nil, 0, ""},
			{601 * time.Second, time.Second, nil, 0, "10m1s ago, more than 10m0s"},
			{600 * time.Second, 120 * time.Second, nil, .1, ""},
			{30 * time.Second, 30 * time.Second, syscall.EFAULT, 0, "read the CPU time"},
			{30 * time.Second, 30 * time.Second, nil, .5, ""},
			{30 * time.Second, 0, errors.ErrUnsupported, 0, "unsupported"},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			used, broken = used+step.uses, step.err
			s, err := c.Probe(t.Context())
			if step.fault != "" {
				if err == nil || !strings.Contains(err.Error(), step.fault) || s.Signals != 0 {
					t.Errorf("step %d: %v, %v; want an error with %q", i, s, err, step.fault)
				}
				continue
			}
			if err != nil || s.Signals != autoscale.SignalUtilization || math.Abs(s.Utilization-step.want) > 1e-12 || !s.Time.Equal(time.Now()) {
				t.Errorf("step %d: %+v, %v; want %v", i, s, err, step.want)
			}
		}
		if err := c.Validate(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Validate: %v", err)
		}
	})
}

// What the operating system says, of work that takes at least a known time: the
// share lies between what was used by the loop and everything.
func TestCPUOfThisProcess(t *testing.T) {
	if _, err := traffic.ProcessTime(); errors.Is(err, errors.ErrUnsupported) {
		if (&traffic.CPU{}).Validate() == nil {
			t.Error("Validate says nothing")
		}
		t.Skip(err)
	}
	c := &traffic.CPU{}
	outer := time.Now()
	first, _ := traffic.ProcessTime()
	c.Probe(t.Context())
	inner := time.Now()
	second, _ := traffic.ProcessTime()
	for x := 1.0; ; x = math.Sqrt(x + 1) {
		used, err := traffic.ProcessTime()
		if err != nil {
			t.Fatal(err)
		}
		if used-second > 50*time.Millisecond && time.Since(inner) > 200*time.Millisecond {
			break
		}
	}
	third, _ := traffic.ProcessTime()
	passedLeast := time.Since(inner)
	s, err := c.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fourth, _ := traffic.ProcessTime()
	passedMost := time.Since(outer)
	cores := float64(runtime.GOMAXPROCS(0))
	low := (third - second).Seconds() / passedMost.Seconds() / cores
	high := min((fourth-first).Seconds()/passedLeast.Seconds()/cores, 1)
	if s.Utilization < low*.999 || s.Utilization > high*1.001 {
		t.Errorf("utilization %v, want between %v and %v", s.Utilization, low, high)
	}
}

func TestCPUCores(t *testing.T) {
	for _, cores := range []float64{-1, math.NaN(), math.Inf(1)} {
		if err := (&traffic.CPU{Cores: cores}).Validate(); err == nil || !strings.Contains(err.Error(), "Cores is") {
			t.Errorf("%v: %v", cores, err)
		}
	}
}
