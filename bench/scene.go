package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

var (
	// The service of all simulations, but for the boot and the variation of the work.
	service   = sim.Service{Mean: 100 * time.Millisecond, Slots: slots, CV: 1}
	objective = sim.Objective{Latency: 500 * time.Millisecond, Share: .05}
)

// scene is the service and the loads of all candidates.
type scene struct {
	service     sim.Service
	utilization float64
	loads       []load
}

// load is one load, and how it was made of a trace.
type load struct {
	sim.Load
	name   string
	begin  time.Time
	factor float64 // of the trace's rates
}

func newScene(ctx context.Context, s settings) (*scene, error) {
	service := service
	service.CV = s.cv
	utilization, err := sim.Calibrate(ctx, service, objective)
	if err != nil {
		return nil, err
	}
	raw, err := readTraces(s.traces)
	if s.traces == "" {
		raw, err = generated()
	}
	if err != nil {
		return nil, err
	}
	sc := &scene{service: service, utilization: utilization}
	for _, l := range raw {
		if l, err = prepare(l, s, utilization); err != nil {
			return nil, fmt.Errorf("bench: the load %s: %w", l.name, err)
		}
		sc.loads = append(sc.loads, l)
	}
	return sc, nil
}

// smoothing is the fewest requests of a trace behind each rate. It removes the noise of
// counting from a sparse trace before that is scaled up. METHOD.md says what that noise did
// to Knative's KPA.
const smoothing = 400

// prepare cuts out a load's busiest days, which begin a whole number of days after its start.
// It smooths them, and scales them so that their peak demands the wanted number of
// processes. It finds the busiest days before it smooths.
func prepare(l load, s settings, utilization float64) (load, error) {
	const day = 24 * time.Hour
	length := time.Duration(s.days * float64(day))
	best := l.Load
	if s.smooth > 0 {
		smooth, err := l.Smooth(s.smooth)
		if err != nil {
			return l, err
		}
		best = smooth
	}
	if l.Duration() > length {
		var starts []time.Duration // the busiest first
		means := make(map[time.Duration]float64)
		for from := time.Duration(0); from+length <= l.Duration(); from += day {
			part, err := l.Slice(from, from+length)
			if err != nil {
				return l, err
			}
			starts, means[from] = append(starts, from), part.Mean()
		}
		slices.SortStableFunc(starts, func(a, b time.Duration) int { return cmp.Compare(means[b], means[a]) })
		if s.rank > len(starts) {
			return l, fmt.Errorf("-rank is %d, and it has %d such parts", s.rank, len(starts))
		}
		at := starts[s.rank-1]
		part, err := best.Slice(at, at+length)
		if err != nil {
			return l, err
		}
		best = part
	}
	l.begin = best.Start()
	l.factor = s.peak * slots * utilization / service.Mean.Seconds() / best.Peak()
	scaled, err := best.Scale(l.factor)
	l.Load = scaled
	return l, err
}

// readTraces reads each CSV file of a folder.
func readTraces(dir string) ([]load, error) {
	if dir == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		return nil, fmt.Errorf("bench: -traces: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("bench: -traces: the folder %s holds no CSV file", dir)
	}
	var out []load
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		l, err := sim.ReadCSV(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("bench: the trace %s: %w", filepath.Base(file), err)
		}
		out = append(out, load{Load: l, name: strings.TrimSuffix(filepath.Base(file), ".csv")})
	}
	return out, nil
}

// generated returns loads to use without traces.
func generated() ([]load, error) {
	week, err := sim.Week(100, 1)
	if err != nil {
		return nil, err
	}
	crowd, err := sim.FlashCrowd(20, 10, 6*time.Hour, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	return []load{{Load: week, name: "generated week"}, {Load: crowd, name: "generated flash crowd"}}, nil
}
