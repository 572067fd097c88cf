package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/probe"
)

// memory is a platform of one process type, in memory.
type memory struct{ size int }

func (m *memory) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: m.size}, nil
}

func (m *memory) Scale(_ context.Context, size int) error {
	m.size = size
	return nil
}

// measured is a prober that sees the given latencies in turn.
func measured(latencies ...time.Duration) autoscale.Prober {
	return autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		if len(latencies) == 0 {
			return autoscale.Sample{}, errors.New("nothing left to measure")
		}
		s := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: latencies[0]}
		latencies = latencies[1:]
		return s, nil
	})
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond) // a busy service
	}))
	defer service.Close()

	ctx, cancel := context.WithCancel(context.Background())
	a := autoscale.New(autoscale.Config{
		Prober:   &probe.HTTP{URL: service.URL},
		Decider:  autoscale.Consecutive{Low: time.Millisecond, High: 10 * time.Millisecond},
		Scaler:   &memory{size: 1}, // a host takes heroku.NewClient(key, nil).Scaler(app, "web")
		Max:      autoscale.Fixed(2),
		Interval: 5 * time.Millisecond,
		Observe: func(e autoscale.Event) {
			if e.Kind == autoscale.Scaled {
				fmt.Println("from", e.From, "to", e.To)
				cancel()
			}
		},
		Logger: quiet,
	})
	fmt.Println(a.Run(ctx))
	// Output:
	// from 1 to 2
	// <nil>
}

func ExampleNew() {
	a := autoscale.New(autoscale.Config{}) // does no I/O and never fails: Validate, Run and Tick report
	_, err := a.Tick(context.Background(), time.Now())
	fmt.Println(errors.Is(err, autoscale.ErrConfig))
	fmt.Println(err)
	// Output:
	// true
	// autoscale: bad configuration: Prober is nil: it is required
	// Scaler is nil: it is required
}

func ExampleAutoscaler_Tick() {
	app := &memory{size: 1}
	a := autoscale.New(autoscale.Config{
		Prober: measured(2*time.Second, 3*time.Second, 2*time.Second),
		Scaler: app,
		Logger: quiet,
	})
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for range 3 {
		now = now.Add(30 * time.Second)
		d, err := a.Tick(context.Background(), now)
		fmt.Println(d.Act, d.Size, err)
	}
	fmt.Println(a.Status().String())
	// Output:
	// false 1 <nil>
	// false 1 <nil>
	// true 2 <nil>
	// web: from 1 to 2: latency 2s is above 1s, 3 times in a row (3 needed)
}

func ExampleConsecutive() {
	rule := autoscale.Consecutive{High: 500 * time.Millisecond, UpAfter: 2}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	slow := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 700 * time.Millisecond}
	var o autoscale.Observation
	o.Capacity.Desired = 4
	for range 2 {
		at = at.Add(30 * time.Second)
		slow.Time = at
		o.Samples = append(o.Samples, slow)
		d := rule.Decide(o)
		fmt.Println(d.Act, d.Size, d.Reason)
	}
	// Output:
	// false 5 latency 700ms is above 500ms, 1 time in a row (2 needed)
	// true 5 latency 700ms is above 500ms, 2 times in a row (2 needed)
}

func ExampleHighest() {
	byBacklog := autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
		newest := o.Samples[len(o.Samples)-1]
		return autoscale.Decision{
			Act:    true,
			Size:   int(newest.Backlog/100) + 1,
			Reason: autoscale.Reason{Code: "backlog", Detail: autoscale.ReasonText(fmt.Sprintf("%.0f jobs wait", newest.Backlog))},
		}
	})
	rule := autoscale.Highest(autoscale.Consecutive{}, byBacklog)
	d := rule.Decide(autoscale.Observation{
		Capacity: autoscale.Capacity{Desired: 2},
		Samples:  []autoscale.Sample{{Time: time.Now(), Signals: autoscale.SignalBacklog, Backlog: 450}},
	})
	fmt.Println(d.Act, d.Size, d.Reason)
	// Output: true 5 450 jobs wait
}

func ExampleMerge() {
	backlog := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: 12}, nil
	})
	s, err := autoscale.Merge(measured(40*time.Millisecond), backlog).Probe(context.Background())
	fmt.Println(s, err)
	// Output: latency 40ms, backlog 12 <nil>
}

func ExampleFixed() {
	fmt.Println(autoscale.Fixed(3))
	// Output: 3
}

func ExampleDaily() {
	s := autoscale.Daily(time.UTC, map[string]int{"0:00": 2, "9:00": 5, "17:00": 2})
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	fmt.Println(s)
	fmt.Println(s.At(noon), "until", s.Next(noon).Format(time.Kitchen))
	// Output:
	// {"0:00": 2, "9:00": 5, "17:00": 2} UTC
	// 5 until 5:00PM
}

func ExampleWeekly() {
	office := map[string]int{"8:00": 6, "19:00": 2}
	s := autoscale.Weekly(time.UTC, map[time.Weekday]map[string]int{
		time.Monday: office, time.Tuesday: office, time.Wednesday: office, time.Thursday: office, time.Friday: office,
	})
	friday := time.Date(2026, 3, 6, 20, 0, 0, 0, time.UTC)
	fmt.Println(s.At(friday), "until", s.Next(friday).Format("Monday 15:04"))
	// Output: 2 until Monday 08:00
}

func ExampleParseSchedule() {
	for _, text := range []string{`{"0:00": 2, "9:00": 5}`, `{"9.00": 5}`} {
		s, err := autoscale.ParseSchedule(text, time.UTC)
		fmt.Println(s, err)
	}
	// Output:
	// {"0:00": 2, "9:00": 5} UTC <nil>
	// unset schedule {"9.00": 5}: "9.00" is not a time of day: write hours 0 to 23 and minutes 00 to 59, as "9:00" or "17:30"
}

// A custom notifier is a func.
func ExampleNotifierFunc() {
	onPage := autoscale.NotifierFunc(func(_ context.Context, e autoscale.Event) error {
		_, err := fmt.Println("page somebody:", e)
		return err
	})
	a := autoscale.New(autoscale.Config{
		Prober:    measured(2*time.Second, 2*time.Second, 2*time.Second),
		Scaler:    &memory{size: 3},
		Notifiers: []autoscale.Notifier{onPage},
		Logger:    quiet,
	})
	for range 3 {
		a.Tick(context.Background(), time.Now())
	}
	// Output:
	// page somebody: web: at the maximum of 3 processes, but more are needed: latency 2s is above 1s, 3 times in a row (3 needed)
}

func ExampleAutoscaler_Status() {
	a := autoscale.New(autoscale.Config{
		Prober: measured(300 * time.Millisecond), Scaler: &memory{size: 2}, Logger: quiet,
	})
	http.HandleFunc("/autoscale", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(a.Status())
	})
	a.Tick(context.Background(), time.Now())
	s := a.Status()
	fmt.Println(s.Capacity.Desired, "processes; bounds", s.Min, "to", s.Max)
	fmt.Fprintln(os.Stdout, s.String())
	// Output:
	// 2 processes; bounds 1 to 3
	// web: stay at 2: latency 300ms is within 200ms to 1s
}
