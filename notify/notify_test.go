package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/notify"
)

var nine = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)

// scaled is an event that changed something.
func scaled() autoscale.Event {
	return autoscale.Event{
		Kind: autoscale.Scaled, Time: nine, Name: "web", From: 1, To: 2, Min: 1, Max: 3,
		Decision: autoscale.Decision{Act: true, Size: 2, Reason: autoscale.Reason{
			Code: autoscale.ReasonTooHigh, Detail: autoscale.ReasonText("latency 1.25s is above 1s, 3 times in a row (3 needed)"),
		}},
	}
}

// failed is an event with an error.
func failed(err error) autoscale.Event {
	return autoscale.Event{Kind: autoscale.ScaleFailed, Time: nine, Name: "web", From: 2, To: 2, Min: 1, Max: 3, Count: 1, Err: err}
}

func validate(t *testing.T, n autoscale.Notifier) error {
	t.Helper()
	v, ok := n.(interface{ Validate() error })
	if !ok {
		t.Fatalf("%v has no Validate", n)
	}
	return v.Validate()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestConsoleWritesOneLine(t *testing.T) {
	var b bytes.Buffer
	c := notify.Console(&b)
	e := failed(errors.New("the platform said:\r\n\x1b[2Jnothing\u2028\tmore"))
	for _, e := range []autoscale.Event{scaled(), e} {
		if err := c.Notify(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	before, _, _ := strings.Cut(e.String(), ": the platform")
	want := "2026-11-23T09:00:00Z INFO  " + scaled().String() + "\n" +
		"2026-11-23T09:00:00Z WARN  " + before + ": the platform said: [2Jnothing more\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleBoundsALine(t *testing.T) {
	var b bytes.Buffer
	if err := notify.Console(&b).Notify(t.Context(), failed(errors.New(strings.Repeat("x", 1<<20)))); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 2100 || !strings.HasSuffix(b.String(), "x…\n") {
		t.Errorf("the line has %d bytes", b.Len())
	}
}

func TestConsoleReturnsErrors(t *testing.T) {
	full := errors.New("no space left")
	c := notify.Console(writerFunc(func([]byte) (int, error) { return 0, full }))
	for range 2 { // the first must not keep the second out
		if err := c.Notify(t.Context(), scaled()); !errors.Is(err, full) {
			t.Errorf("got %v, want an error that wraps %v", err, full)
		}
	}
	if err := validate(t, notify.Console(nil)); err == nil {
		t.Error("a nil writer was accepted")
	}
	if err := notify.Console(nil).Notify(t.Context(), scaled()); err == nil {
		t.Error("a nil writer was written to")
	}
}

func TestConsoleConcurrently(t *testing.T) {
	var b bytes.Buffer
	c := notify.Console(&b)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := c.Notify(t.Context(), scaled()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 400 {
		t.Errorf("got %d lines, want 400", len(lines))
	}
	for _, l := range lines {
		if l != lines[0] {
			t.Fatalf("lines were mixed: %q", l)
		}
	}
}

func TestConsoleDoesNotWaitPastItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := notify.Console(writerFunc(func(p []byte) (int, error) { <-release; return len(p), nil }))
		first := make(chan error)
		go func() { first <- c.Notify(context.Background(), scaled()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Notify(ctx, scaled()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v behind a writer that hangs", err)
		}
		close(release)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	n := notify.Log(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{AddSource: true})))
	e := scaled()
	e.Phase, e.Limit, e.DryRun, e.Count, e.Detail = autoscale.Began, limit.ByStep, true, 4, "more"
	e.Until, e.Since, e.Err = nine.Add(time.Minute), nine.Add(-time.Minute), errors.New("it broke")
	if err := n.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"time": "2026-11-23T09:00:00Z", "level": "INFO", "msg": "autoscale: " + e.String(),
		"name": "web", "kind": "scaled", "phase": "began", "from": 1.0, "to": 2.0, "min": 1.0, "max": 3.0, "recommended": 2.0,
		"reason_code": "too_high", "reason": e.Decision.Reason.String(), "limit": "step",
		"until": "2026-11-23T09:01:00Z", "since": "2026-11-23T08:59:00Z", "count": 4.0, "detail": "more", "dry_run": true, "error": "it broke",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLogNamesWhatJSONNames holds the attributes against the event's JSON: one
// name for one thing.
func TestLogNamesWhatJSONNames(t *testing.T) {
	e := scaled()
	e.Phase, e.Limit, e.DryRun, e.Count, e.Detail, e.Err = autoscale.Began, limit.ByStep, true, 4, "more", io.EOF
	e.Until, e.Since = nine.Add(time.Minute), nine.Add(-time.Minute)
	var b bytes.Buffer
	if err := notify.Log(slog.New(slog.NewJSONHandler(&b, nil))).Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var log, event map[string]any
	text, err := json.Marshal(e)
	if err := errors.Join(err, json.Unmarshal(text, &event), json.Unmarshal(b.Bytes(), &log)); err != nil {
		t.Fatal(err)
	}
	delete(log, "msg")
	delete(event, "text")
	log["level"] = strings.ToLower(log["level"].(string))
	if diff := cmp.Diff(event, log); diff != "" {
		t.Error(diff)
	}
}

func TestLogLevelAndErrors(t *testing.T) {
	var b bytes.Buffer
	quiet := notify.Log(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err := quiet.Notify(t.Context(), scaled()); err != nil || b.Len() > 0 {
		t.Errorf("below the handler's level it wrote %q, %v", &b, err)
	}
	full := errors.New("no space left")
	n := notify.Log(slog.New(slog.NewTextHandler(writerFunc(func([]byte) (int, error) { return 0, full }), nil)))
	if err := n.Notify(t.Context(), scaled()); !errors.Is(err, full) {
		t.Errorf("got %v, want an error that wraps %v", err, full)
	}
}

func TestLogNilIsTheDefaultOfTheMoment(t *testing.T) {
	n := notify.Log(nil)
	before := slog.Default()
	defer slog.SetDefault(before)
	var b bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	if err := n.Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "kind=scaled") {
		t.Errorf("the default logger got %q", &b)
	}
}

func TestRecorder(t *testing.T) {
	var r notify.Recorder
	broken := errors.New("broken")
	r.FailNext(nil)
	r.FailNext(broken)
	r.FailNext(broken)
	for i, want := range []error{broken, broken, nil, nil} {
		e := scaled()
		e.Count = i
		if err := r.Notify(t.Context(), e); err != want {
			t.Errorf("call %d: got %v, want %v", i, err, want)
		}
	}
	got := r.Events()
	if len(got) != 2 || got[0].Count != 2 || got[1].Count != 3 {
		t.Errorf("recorded %v", got)
	}
	got[0].Count = 99
	if r.Events()[0].Count != 2 {
		t.Error("Events returned what the Recorder itself holds")
	}
	if err := r.Wait(t.Context(), 2); err != nil {
		t.Error(err)
	}
}

func TestRecorderIsBounded(t *testing.T) {
	var r notify.Recorder
	for i := range 1500 {
		e := scaled()
		e.Count = i
		if err := r.Notify(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got := r.Events()
	if len(got) != 1000 || got[0].Count != 500 || got[999].Count != 1499 {
		t.Errorf("kept %d, from %d to %d", len(got), got[0].Count, got[len(got)-1].Count)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Wait(ended, 1500); err != nil {
		t.Errorf("what is no longer kept did not count: %v", err)
	}
}

func TestRecorderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r notify.Recorder
		waits := make(chan error)
		for range 3 {
			go func() { waits <- r.Wait(t.Context(), 2) }()
		}
		for i := range 2 {
			synctest.Wait()
			select {
			case err := <-waits:
				t.Fatalf("Wait returned %v after %d events", err, i)
			default:
			}
			if err := r.Notify(t.Context(), scaled()); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if err := <-waits; err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.Wait(ctx, 3)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "waited for 3 events, and 2 came") {
			t.Errorf("got %v", err)
		}
	})
}

// faulty is a notifier whose settings are wrong.
type faulty struct{ autoscale.Notifier }

var errFaulty = errors.New("faulty")

func (faulty) Validate() error { return errFaulty }

func TestOnlyValidates(t *testing.T) {
	var r notify.Recorder
	for name, tc := range map[string]struct {
		n     autoscale.Notifier
		kinds autoscale.EventKind
		want  []string // nil: no error
	}{
		"good":             {&r, autoscale.Scaled | autoscale.Changed, nil},
		"silent":           {&r, autoscale.NoKinds, nil},
		"no kind":          {&r, 0, []string{"names no kind"}},
		"none and some":    {&r, autoscale.NoKinds | autoscale.Scaled, []string{"NoKinds together with scaled"}},
		"unknown":          {&r, 1 << 30, []string{"unknown bits 0x40000000"}},
		"nil":              {nil, autoscale.Scaled, []string{"nil notifier"}},
		"nil pointer":      {(*notify.Recorder)(nil), autoscale.Scaled, []string{"nil notifier"}},
		"nil func":         {autoscale.NotifierFunc(nil), autoscale.Scaled, []string{"nil notifier"}},
		"faulty":           {faulty{}, autoscale.Scaled, []string{"faulty"}},
		"all at once":      {faulty{}, 0, []string{"names no kind", "faulty"}},
		"nested":           {notify.Only(faulty{}, autoscale.Scaled), autoscale.AllKinds, []string{"faulty"}},
		"wrapped":          {struct{ autoscale.Notifier }{faulty{}}, autoscale.Scaled, []string{"faulty"}},
		"without Validate": {notify.Log(nil), autoscale.Scaled, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(t, notify.Only(tc.n, tc.kinds))
			if (err != nil) != (tc.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
}

func TestOnlyTellsItsKinds(t *testing.T) {
	var r notify.Recorder
	n := notify.Only(&r, autoscale.Scaled|autoscale.Changed)
	for _, k := range []autoscale.EventKind{autoscale.Probed, autoscale.Scaled, autoscale.Panicked, autoscale.Changed} {
		if err := n.Notify(t.Context(), autoscale.Event{Kind: k}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Events(); len(got) != 2 || got[0].Kind != autoscale.Scaled || got[1].Kind != autoscale.Changed {
		t.Errorf("got %v", got)
	}
}

// TestOnlyIsHeeded runs an Autoscaler, which must read the kinds and validate
// what is wrapped.
func TestOnlyIsHeeded(t *testing.T) {
	size := 1
	cfg := autoscale.Config{
		Name: "web",
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 3 * time.Second}, nil
		}),
		Scaler: scalerOf(&size),
		Logger: slog.New(slog.DiscardHandler),
	}
	var all, changes notify.Recorder
	cfg.Notifiers = []autoscale.Notifier{&all, notify.Only(&changes, autoscale.Scaled)}
	cfg.NotifyOn = autoscale.Decided
	a := autoscale.New(cfg)
	for i := range 3 {
		if _, err := a.Tick(t.Context(), nine.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if got := all.Events(); len(got) != 3 || got[0].Kind != autoscale.Decided {
		t.Errorf("by NotifyOn: %v", got)
	}
	if got := changes.Events(); len(got) != 1 || got[0].Kind != autoscale.Scaled {
		t.Errorf("by Only: %v", got)
	}

	cfg.Notifiers = []autoscale.Notifier{notify.Only(faulty{}, autoscale.Scaled)}
	if err := cfg.Validate(); !errors.Is(err, errFaulty) || !errors.Is(err, autoscale.ErrConfig) {
		t.Errorf("Config.Validate returned %v", err)
	}
}

type scaler struct{ size *int }

func scalerOf(size *int) autoscale.Scaler { return scaler{size} }

func (s scaler) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: *s.size}, nil
}
func (s scaler) Scale(_ context.Context, size int) error { *s.size = size; return nil }
