package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
)

// maxLine bounds a line of a trace, in bytes. A recorded event has a few hundred.
const maxLine = 64 << 10

// ReadCSV reads a trace. Each line has a time, and the number of requests that arrived from
// then until the next line's time. The header "time,requests" may be missing. Times are RFC
// 3339 or whole seconds since 1970, on a regular grid of a second or more, without gaps.
// Blank lines are skipped.
//
//	time,requests
//	2026-03-02T09:00:00Z,1320
//	2026-03-02T09:01:00Z,1415
//
// An error names the line and what is wrong with it. ReadCSV reads the trace as a stream, and
// keeps one number for each line, at most ten million.
func ReadCSV(r io.Reader) (Load, error) {
	var first, last time.Time
	var step time.Duration
	var rates []float64
	err := lines(r, func(n int, line string) error {
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
			if strings.EqualFold(strings.ReplaceAll(line, " ", ""), "time,requests") {
				return nil
			}
		}
		at, requests, err := parseRow(line)
		if err != nil {
			return err
		}
		switch len(rates) {
		case 0:
			first = at
		case 1:
			step = at.Sub(first)
			if step < time.Second || step%time.Second != 0 {
				return fmt.Errorf("the time is %v after the line before: the lines must be in order, and one or more whole seconds apart", step)
			}
		}
		if want := last.Add(step); len(rates) > 1 && !at.Equal(want) {
			return offGrid(at, last, step)
		}
		if len(rates) == maxSteps {
			return fmt.Errorf("the trace has more than %d lines: cut it, or make its step longer", maxSteps)
		}
		last = at
		rates = append(rates, requests)
		return nil
	})
	switch {
	case err != nil:
	case len(rates) == 0:
		err = errors.New("it is empty: give lines of time,requests")
	case len(rates) == 1:
		err = errors.New("it has one line: two or more are needed to know how far they are apart")
	default:
		for i := range rates {
			if rates[i] /= step.Seconds(); rates[i] > maxRate {
				err = fmt.Errorf("%.6g requests per second at %s: at most %d can be simulated", rates[i], first.Add(time.Duration(i)*step).Format(time.RFC3339), maxRate)
			}
		}
	}
	if err != nil {
		return Load{}, fmt.Errorf("sim: read a trace: %w", err)
	}
	return NewLoad(first, step, rates)
}

// lines calls f for each line that is not blank, with its number.
func lines(r io.Reader, f func(n int, line string) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		line := strings.TrimSpace(scanner.Text())
		if line == "" {
			continue
		}
		if err := f(n, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d: it is longer than %d bytes", n+1, maxLine)
	} else if err != nil {
		return fmt.Errorf("after line %d: %w", n, err)
	}
	return nil
}

func parseRow(line string) (time.Time, float64, error) {
	left, right, ok := strings.Cut(line, ",")
	if !ok || strings.Contains(right, ",") {
		return time.Time{}, 0, fmt.Errorf("%s has not two columns: write time,requests", excerpt(line))
	}
	left, right = strings.Trim(left, ` "`), strings.Trim(right, ` "`)
	at, err := time.Parse(time.RFC3339, left)
	if err != nil {
		unix, err := strconv.ParseInt(left, 10, 64)
		if err != nil || unix < 0 || unix > 1<<36 {
			return time.Time{}, 0, fmt.Errorf("%s is not a time: write it as 2026-03-02T09:00:00Z, or as seconds since 1970", excerpt(left))
		}
		at = time.Unix(unix, 0).UTC()
	}
	requests, err := strconv.ParseFloat(right, 64)
	if err != nil || math.IsNaN(requests) || math.IsInf(requests, 0) {
		return time.Time{}, 0, fmt.Errorf("%s is not a number of requests", excerpt(right))
	}
	if requests < 0 {
		return time.Time{}, 0, fmt.Errorf("%v requests: a number of requests must be 0 or more", requests)
	}
	return at, requests, nil
}

// offGrid says how a time differs from the expected one.
func offGrid(at, last time.Time, step time.Duration) error {
	switch gap := at.Sub(last); {
	case gap == 0:
		return fmt.Errorf("%s is there twice", at.Format(time.RFC3339))
	case gap < 0:
		return fmt.Errorf("%s comes after %s: sort the lines by time", at.Format(time.RFC3339), last.Format(time.RFC3339))
	case gap%step == 0:
		return fmt.Errorf("%s comes %v after the line before: %d lines are missing, where the step is %v; fill the gap, with 0 if nothing arrived", at.Format(time.RFC3339), gap, gap/step-1, step)
	default:
		return fmt.Errorf("%s comes %v after the line before, where the step is %v: the times must be on a regular grid", at.Format(time.RFC3339), gap, step)
	}
}

func excerpt(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.Quote(s)
}

// ReadSamples reads the samples that a running autoscaler recorded. Each line is the JSON
// of an autoscale.Sample or an autoscale.Event. Only events of kind Probed count. A step is
// a second or more. The rate of a step is the mean of the samples' Arrivals, or of their
// Throughput if arrivals were not measured. Samples that measured neither are skipped.
//
// A gap of up to ten steps without a sample is filled in a straight line. ReadSamples fails
// if more steps are missing, if a line is not JSON, or if the times go back.
func ReadSamples(r io.Reader, step time.Duration) (Load, error) {
	if step < time.Second {
		return Load{}, fmt.Errorf("sim: read samples: the step is %v: it must be 1s or more", step)
	}
	var first, last time.Time
	var rates []float64
	var sum, n float64 // of the step under way
	var index int64    // its number
	end := func() {
		for missing := index - int64(len(rates)); missing > 0; missing-- {
			before := rates[len(rates)-1]
			rates = append(rates, before+(sum/n-before)/float64(missing+1))
		}
		rates = append(rates, sum/n)
		sum, n = 0, 0
	}
	err := lines(r, func(_ int, line string) error {
		s, ok, err := parseSample(line)
		if err != nil || !ok {
			return err
		}
		if first.IsZero() {
			first = s.Time.Truncate(step)
		}
		if s.Time.Before(last) {
			return fmt.Errorf("%s comes after %s: sort the lines by time", s.Time.Format(time.RFC3339), last.Format(time.RFC3339))
		}
		last = s.Time
		i := int64(s.Time.Sub(first) / step)
		if i > index {
			if i >= maxSteps {
				return fmt.Errorf("the samples make more than %d steps of %v: make the step longer", maxSteps, step)
			}
			if i-index-1 > maxFilled {
				return fmt.Errorf("no sample in the %v before: at most %d steps of %v are filled in; read the parts one by one, or make the step longer", time.Duration(i-index-1)*step, maxFilled, step)
			}
			end()
			index = i
		}
		rate := s.Throughput
		if s.Signals.Has(autoscale.SignalArrivals) {
			rate = s.Arrivals
		}
		if !(rate >= 0 && rate <= maxRate) {
			return fmt.Errorf("%v requests per second: it must be 0 to %d", rate, maxRate)
		}
		sum += rate
		n++
		return nil
	})
	if err == nil && n == 0 {
		err = errors.New("no sample measured arrivals or throughput: record those of a prober inside the service")
	}
	if err != nil {
		return Load{}, fmt.Errorf("sim: read samples: %w", err)
	}
	end()
	return NewLoad(first, step, rates)
}

// maxFilled is how many steps in a row without a sample are filled.
const maxFilled = 10

// parseSample reads a line, and reports whether it holds a rate.
func parseSample(line string) (autoscale.Sample, bool, error) {
	var e struct {
		Kind   string            `json:"kind"`
		Sample *autoscale.Sample `json:"sample"`
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return autoscale.Sample{}, false, fmt.Errorf("it is neither a sample nor an event in JSON: %w", err)
	}
	s := e.Sample
	if e.Kind == "" {
		s = new(autoscale.Sample)
		if err := json.Unmarshal([]byte(line), s); err != nil {
			return autoscale.Sample{}, false, fmt.Errorf("it is not a sample in JSON: %w", err)
		}
	} else if e.Kind != autoscale.Probed.String() {
		return autoscale.Sample{}, false, nil
	}
	if s == nil || s.Signals&(autoscale.SignalArrivals|autoscale.SignalThroughput) == 0 {
		return autoscale.Sample{}, false, nil
	}
	if s.Time.IsZero() || s.Time.Year() < 1970 || s.Time.Year() > 9999 {
		return autoscale.Sample{}, false, fmt.Errorf("the sample's time is %s: it must be that of the measurement", s.Time.Format(time.RFC3339))
	}
	return *s, true, nil
}
