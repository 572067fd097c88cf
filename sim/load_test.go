package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

func TestReadCSV(t *testing.T) {
	for _, text := range []string{
		"time,requests\n2026-03-02T09:00:00Z,60\n2026-03-02T09:01:00Z,120\n2026-03-02T09:02:00Z,0\n",
		"\ufeffTime, Requests\r\n\"2026-03-02T09:00:00Z\",60\r\n\r\n2026-03-02T10:01:00+01:00, 120\r\n2026-03-02T09:02:00Z,0",
		"1772442000,60\n1772442060,120\n1772442120,0\n",
	} {
		// One byte at a time, because it is a stream.
		load, err := sim.ReadCSV(iotest.OneByteReader(strings.NewReader(text)))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !load.Start().Equal(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)) || load.Step() != time.Minute || load.Duration() != 3*time.Minute {
			t.Errorf("%q begins at %v and has %v of %v", text, load.Start(), load.Duration(), load.Step())
		}
		for at, want := range map[time.Duration]float64{0: 1, 30 * time.Second: 1, time.Minute: 1.5, 90 * time.Second: 2, 2 * time.Minute: 1, 3 * time.Minute: 0} {
			if got := load.Rate(at); math.Abs(got-want) > 1e-9 {
				t.Errorf("the rate at %v is %v, want %v", at, got, want)
			}
		}
		if load.Peak() != 2 || load.Mean() != 1 {
			t.Errorf("the peak is %v and the mean %v", load.Peak(), load.Mean())
		}
	}
}

func TestReadCSVFaults(t *testing.T) {
	const head = "time,requests\n2026-03-02T09:00:00Z,60\n2026-03-02T09:01:00Z,60\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "it is empty"},
		{"header alone", "time,requests\n", "it is empty"},
		{"one row", "time,requests\n2026-03-02T09:00:00Z,60\n", "it has one line"},
		{"gap", head + "2026-03-02T09:05:00Z,60\n", "line 4: 2026-03-02T09:05:00Z comes 4m0s after the line before: 3 lines are missing"},
		{"off the grid", head + "2026-03-02T09:02:30Z,60\n", "line 4: 2026-03-02T09:02:30Z comes 1m30s after the line before, where the step is 1m0s"},
		{"twice", head + "2026-03-02T09:01:00Z,60\n", "line 4: 2026-03-02T09:01:00Z is there twice"},
		{"unsorted", head + "2026-03-02T08:02:00Z,60\n", "line 4: 2026-03-02T08:02:00Z comes after 2026-03-02T09:01:00Z: sort"},
		{"unsorted at once", "2026-03-02T09:00:00Z,60\n2026-03-02T08:00:00Z,60\n", "line 2: the time is -1h0m0s after"},
		{"parts of a second", "2026-03-02T09:00:00Z,60\n2026-03-02T09:00:00.5Z,60\n", "line 2: the time is 500ms after"},
		{"text", head + "2026-03-02T09:02:00Z,many\n", `line 4: "many" is not a number`},
		{"no time", head + "noon,60\n", `line 4: "noon" is not a time`},
		{"another header", "timestamp,value\n" + head, `line 1: "timestamp" is not a time`},
		{"negative", head + "2026-03-02T09:02:00Z,-1\n", "line 4: -1 requests"},
		{"NaN", head + "2026-03-02T09:02:00Z,NaN\n", `line 4: "NaN" is not a number`},
		{"huge", head + "2026-03-02T09:02:00Z,1e12\n", "1.66667e+10 requests per second at 2026-03-02T09:02:00Z"},
		{"columns", head + "2026-03-02T09:02:00Z,1,2\n", "line 4: \"2026-03-02T09:02:00Z,1,2\" has not two columns"},
		{"one column", head + "17\n", `line 4: "17" has not two columns`},
		{"long", head + strings.Repeat("x", 1<<17), "line 4: it is longer"},
	} {
		_, err := sim.ReadCSV(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := sim.ReadCSV(iotest.ErrReader(os.ErrClosed)); err == nil || !strings.Contains(err.Error(), "after line 0") {
		t.Errorf("an error of the reader is %v", err)
	}
}

// FuzzReadCSV: whatever is read is an error or a load that can be simulated.
func FuzzReadCSV(f *testing.F) {
	f.Add("time,requests\n2026-03-02T09:00:00Z,60\n2026-03-02T09:01:00Z,1e3\n")
	f.Add("0,1\n1,2\n2,3")
	f.Add("0,-1\n\n,")
	f.Fuzz(func(t *testing.T, text string) {
		load, err := sim.ReadCSV(strings.NewReader(text))
		if err != nil {
			return
		}
		if load.Step() < time.Second || load.Duration() < 2*load.Step() {
			t.Errorf("a load of %v in steps of %v", load.Duration(), load.Step())
		}
		for at := time.Duration(0); at < load.Duration(); at += load.Duration()/7 + 1 {
			if r := load.Rate(at); !(r >= 0 && r <= load.Peak()) {
				t.Errorf("a rate of %v at %v, with a peak of %v", r, at, load.Peak())
			}
		}
	})
}

// TestReadSamples: what an autoscaler with an Observe wrote down is a load.
func TestReadSamples(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 10, 0, time.UTC)
	var b bytes.Buffer
	line := func(v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(data, '\n'))
	}
	sample := func(offset time.Duration, signals autoscale.Signals, throughput, arrivals float64) autoscale.Sample {
		return autoscale.Sample{Time: at.Add(offset), Signals: signals, Throughput: throughput, Arrivals: arrivals}
	}
	both := autoscale.SignalArrivals | autoscale.SignalThroughput
	line(sample(0, both, 5, 10))
	line(sample(20*time.Second, both, 5, 20))
	line(autoscale.Event{Kind: autoscale.Probed, Sample: sample(time.Minute, autoscale.SignalThroughput, 30, 0)})
	line(autoscale.Event{Kind: autoscale.Decided, Sample: sample(time.Minute, autoscale.SignalThroughput, 999, 0)})
	line(autoscale.Event{Kind: autoscale.ProbeFailed})
	line(sample(2*time.Minute, autoscale.SignalLatency, 0, 0))
	line(sample(4*time.Minute, both, 0, 60))
	load, err := sim.ReadSamples(&b, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{15, 30, 40, 50, 60}
	for i, w := range want {
		if got := load.Rate(time.Duration(i)*time.Minute + 30*time.Second); math.Abs(got-w) > 1e-9 {
			t.Errorf("the rate of minute %d is %v, want %v", i, got, w)
		}
	}
	if load.Duration() != 5*time.Minute || !load.Start().Equal(at.Truncate(time.Minute)) {
		t.Errorf("%v from %v", load.Duration(), load.Start())
	}
	const one = `{"time":"2026-03-02T09:00:00Z","arrivals":1}` + "\n"
	for text, want := range map[string]string{
		"":           "no sample measured",
		one + "oops": "line 2: it is neither",
		one + `{"time":"2026-03-02T08:00:00Z","arrivals":1}`:  "line 2: 2026-03-02T08:00:00Z comes after",
		one + `{"time":"2026-03-02T12:00:00Z","arrivals":1}`:  "line 2: no sample in the 2h59m0s before",
		one + `{"time":"2026-03-02T09:00:00Z","arrivals":-1}`: "line 2: -1 requests per second",
		`{"arrivals":1}`: "line 1: the sample's time",
		`{"time":"2026-03-02T09:00:00Z","latency":1}`: "no sample measured",
	} {
		if _, err := sim.ReadSamples(strings.NewReader(text), time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %q", text, err, want)
		}
	}
	if _, err := sim.ReadSamples(strings.NewReader(one), 0); err == nil {
		t.Error("a step of 0 is taken")
	}
}

func FuzzReadSamples(f *testing.F) {
	f.Add(`{"time":"2026-03-02T09:00:00Z","arrivals":1}`+"\n"+`{"kind":"probed","sample":{"time":"2026-03-02T09:05:00Z","throughput":2}}`, uint8(60))
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		load, err := sim.ReadSamples(strings.NewReader(text), time.Duration(step)*time.Second)
		if err == nil && !(load.Peak() >= 0 && load.Duration() > 0) {
			t.Errorf("a load of %v with a peak of %v", load.Duration(), load.Peak())
		}
	})
}

func TestLoadParts(t *testing.T) {
	load, err := sim.NewLoad(time.Unix(0, 0), time.Minute, []float64{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := load.Scale(2)
	if err != nil || twice.Peak() != 8 || load.Peak() != 4 {
		t.Errorf("scaled by 2 the peak is %v, %v", twice.Peak(), err)
	}
	long, err := load.Stretch(10)
	if err != nil || long.Duration() != 40*time.Minute || long.Peak() != 4 {
		t.Errorf("stretched by 10 it lasts %v, %v", long.Duration(), err)
	}
	part, err := load.Slice(time.Minute, 3*time.Minute)
	if err != nil || part.Duration() != 2*time.Minute || part.Mean() != 2.5 || !part.Start().Equal(time.Unix(60, 0)) {
		t.Errorf("a slice is %v from %v at %v, %v", part.Duration(), part.Start(), part.Mean(), err)
	}
	for name, err := range map[string]error{
		"scale":   second(load.Scale(-1)),
		"NaN":     second(load.Scale(math.NaN())),
		"stretch": second(load.Stretch(0)),
		"slice":   second(load.Slice(time.Minute, time.Minute)),
		"beyond":  second(load.Slice(0, time.Hour)),
		"empty":   second(sim.NewLoad(time.Time{}, time.Minute, nil)),
		"nothing": second(sim.Load{}.Slice(0, 0)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ sim.Load, err error) error { return err }

func TestGenerated(t *testing.T) {
	for _, tt := range []struct {
		name   string
		load   func(seed uint64) (sim.Load, error)
		length time.Duration
		rates  map[time.Duration]float64
		seeded bool
	}{
		{"steady", func(uint64) (sim.Load, error) { return sim.Steady(50, time.Hour) }, time.Hour, map[time.Duration]float64{0: 50, 59 * time.Minute: 50}, false},
		{"step", func(uint64) (sim.Load, error) { return sim.Step(50, 100, time.Minute, time.Hour) }, time.Hour, map[time.Duration]float64{50 * time.Second: 50, 70 * time.Second: 100}, false},
		{"ramp", func(uint64) (sim.Load, error) { return sim.Ramp(0, 60, time.Hour) }, time.Hour, map[time.Duration]float64{30 * time.Minute: 30}, false},
		{"crowd", func(uint64) (sim.Load, error) { return sim.FlashCrowd(10, 9, time.Minute, time.Hour) }, time.Hour, map[time.Duration]float64{50 * time.Second: 10, 3 * time.Minute: 90, 13 * time.Minute: 50}, false},
		{"day", func(seed uint64) (sim.Load, error) { return sim.Day(100, seed) }, 24 * time.Hour, map[time.Duration]float64{4 * time.Hour: 21, 19*time.Hour + 30*time.Minute: 100}, true},
		{"week", func(seed uint64) (sim.Load, error) { return sim.Week(100, seed) }, 7 * 24 * time.Hour, map[time.Duration]float64{6*24*time.Hour + 19*time.Hour: 60}, true},
	} {
		load, err := tt.load(1)
		if err != nil || load.Duration() != tt.length {
			t.Errorf("%s lasts %v, %v", tt.name, load.Duration(), err)
			continue
		}
		for at, want := range tt.rates {
			within(t, fmt.Sprintf("%s at %v", tt.name, at), load.Rate(at), want, .25)
		}
		again, _ := tt.load(1)
		other, _ := tt.load(2)
		if again.Mean() != load.Mean() || (other.Mean() != load.Mean()) != tt.seeded {
			t.Errorf("%s: the mean is %v, again %v, of another seed %v", tt.name, load.Mean(), again.Mean(), other.Mean())
		}
	}
	if _, err := sim.Steady(1, 0); err == nil {
		t.Error("a load without length is taken")
	}
}

// TestTraces reads every trace of a folder that the environment names.
func TestTraces(t *testing.T) {
	folder := os.Getenv("AUTOSCALE_TEST_TRACES")
	if folder == "" {
		t.Skip("AUTOSCALE_TEST_TRACES names no folder of CSV traces")
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.csv"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d traces in %s, %v", len(names), folder, err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		load, err := sim.ReadCSV(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v in steps of %v, mean %.3g/s, peak %.3g/s", filepath.Base(name), load.Duration(), load.Step(), load.Mean(), load.Peak())
		f.Close()
	}
}
