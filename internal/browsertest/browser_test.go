package browsertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/programs"
	"github.com/autoscalebot/autoscale/status"
)

// patience bounds each wait for the browser. A slow machine needs some of it.
const patience = time.Minute

// browser starts a Chromium, and returns the context of a tab.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := os.Getenv("AUTOSCALE_TEST_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program == "" {
			program, _ = exec.LookPath(name)
		}
	}
	if program == "" {
		programs.Missing(t, "no Chromium was found: install Debian's package chromium, or name one in $AUTOSCALE_TEST_CHROMIUM")
	}
	// A sandbox needs rights that a container does not have. All pages here are our own.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	do(t, ctx, chromedp.Navigate("about:blank")) // starts the browser, which has no deadline
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case runtime.EventExceptionThrown:
			t.Errorf("the page's script failed: %+v", e.ExceptionDetails)
		case log.EventEntryAdded: // a violation of the Content-Security-Policy is one
			if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "favicon") {
				t.Errorf("the browser says: %s", e.Entry.Text)
			}
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 4*patience)
	t.Cleanup(cancel)
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func run[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// until evaluates an expression until it is true.
func until(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		// While a page is being loaded there is nothing to look at.
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); ok || ctx.Err() != nil {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("within %v it was not seen that %s", patience, what)
}

// keep keeps a picture, if there is a folder for them.
func keep(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("AUTOSCALE_TEST_PICTURES")
	if folder == "" {
		return
	}
	picture := run(t, ctx, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o666); err != nil {
		t.Fatal(err)
	}
}

// service is a Scaler and a Prober in memory, whose load a test sets.
type service struct {
	mu   sync.Mutex
	size int
	load float64
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return autoscale.Capacity{Desired: s.size, PendingKnown: true}, nil
}

func (s *service) Scale(_ context.Context, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	return nil
}

func (s *service) Probe(context.Context) (autoscale.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return autoscale.Sample{
		Signals: autoscale.SignalBusy | autoscale.SignalLatency, Busy: s.load, Latency: time.Duration(s.load * float64(20*time.Millisecond)),
	}, nil
}

func (s *service) set(load float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load = load
}

type fourEach struct{}

func (fourEach) Samples() int { return 1 }
func (fourEach) Decide(o autoscale.Observation) autoscale.Decision {
	n := int(math.Ceil(o.Samples[len(o.Samples)-1].Busy / 4))
	return autoscale.Decision{Act: n != o.Capacity.Desired, Size: n, Reason: autoscale.Reason{Code: "target_tracking", Detail: autoscale.ReasonText(fmt.Sprintf("%d processes take four requests each", n))}}
}

// site is a service whose page is served, with a week behind it and a tick each second.
func site(t *testing.T) (*service, *autoscale.Autoscaler, string) {
	s := &service{size: 2}
	a := autoscale.New(autoscale.Config{
		Name: "web", Prober: s, Scaler: s, Decider: fourEach{}, Interval: time.Second, Max: autoscale.Fixed(8),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	now := time.Now()
	for left := 7 * 24 * time.Hour; left > 0; left -= step(left) {
		hours := left.Hours()
		s.set(20 + 15*math.Cos(hours/24*2*math.Pi) + 4*math.Sin(hours*40))
		if _, err := a.Tick(t.Context(), now.Add(-left)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	page := status.Handler(a, &status.Options{Public: true, Control: true, Title: "quiet-river"})
	mux := http.NewServeMux()
	mux.Handle("/some/prefix/", page)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		page.Close()
		server.Close()
		stop()
		<-done
	})
	return s, a, server.URL + "/some/prefix/"
}

func step(left time.Duration) time.Duration {
	if left > 3*time.Hour {
		return 10 * time.Minute
	}
	return 10 * time.Second
}

// What happened in a tick is seen without a reload.
func TestLive(t *testing.T) {
	s, _, url := site(t)
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url))
	until(t, ctx, "the page is live", `document.getElementById("live").textContent === "Live."`)
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`window.mark = 1`))
	s.set(11)
	until(t, ctx, "three processes were ordered", `document.querySelector(".sizes dd").textContent === "3"`)
	until(t, ctx, "the event is listed", `Array.from(document.querySelectorAll(".events li")).some(e => e.textContent.includes("to 3"))`)
	until(t, ctx, "the page was not loaded again", `window.mark === 1`)
	until(t, ctx, "times are local, with UTC at hand", `document.querySelector("time").title.endsWith("UTC") && !document.querySelector("time").textContent.includes("UTC")`)
}

// Without JavaScript a reload shows it, and a pause can be given.
func TestWithoutJavaScript(t *testing.T) {
	s, a, url := site(t)
	ctx := browser(t)
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(url))
	text := ""
	s.set(15)
	for end := time.Now().Add(patience); time.Now().Before(end) && text != "4"; {
		do(t, ctx, chromedp.Reload())
		text = run(t, ctx, chromedp.Text(".sizes dd"))
	}
	if text != "4" {
		t.Fatalf("after reloads the page says %q, want 4", text)
	}
	// The page before may have an alert of its own.
	do(t, ctx, chromedp.Click("summary"), chromedp.Click("details button"), chromedp.WaitVisible(`//*[@class="alert"][contains(., "paused until")]`))
	text = run(t, ctx, chromedp.Text(".alert"))
	if !strings.Contains(text, "paused until") || !strings.Contains(a.Status().Command, "paused until") {
		t.Errorf("after a pause the page says %q, and Status %q", text, a.Status().Command)
	}
}

// The page fits, and can be read, on a phone and a desk, in light and dark.
func TestLooks(t *testing.T) {
	axe := os.Getenv("AUTOSCALE_TEST_AXE")
	if axe == "" {
		programs.Missing(t, "$AUTOSCALE_TEST_AXE is not set: npm install axe-core, and name its axe.min.js")
	}
	script, err := os.ReadFile(axe)
	if err != nil {
		t.Fatal(err)
	}
	_, _, url := site(t)
	ctx := browser(t)
	for _, width := range []int64{375, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			name := fmt.Sprint(width, "-", scheme)
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			do(t, ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url))
			until(t, ctx, "the page is live", `document.getElementById("live").textContent === "Live."`)
			until(t, ctx, "the page is as wide as the screen", `document.documentElement.scrollWidth <= window.innerWidth`)
			do(t, ctx, chromedp.Click("summary")) // with its form; and it then stays as it is
			keep(t, ctx, name)
			do(t, ctx, chromedp.Evaluate[chromedp.Void](string(script)))
			const look = `axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target + " " + n.failureSummary).join(" | ")))`
			violations := run(t, ctx, chromedp.Evaluate[[]string](look, chromedp.EvalAwaitPromise))
			for _, v := range violations {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
}

// Everything can be reached with the keyboard.
func TestKeyboard(t *testing.T) {
	_, a, url := site(t)
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url))
	until(t, ctx, "the page is live", `document.getElementById("live").textContent === "Live."`)
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.KeyEvent(kb.Tab))
	until(t, ctx, "the first stop is the summary", `document.activeElement.tagName === "SUMMARY"`)
	until(t, ctx, "it keeps the focus after a tick", `(window.first = window.first || document.activeElement) !== document.activeElement && document.activeElement.tagName === "SUMMARY"`)
	do(t, ctx, chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.Tab))
	until(t, ctx, "then comes the length of a pause", `document.activeElement.name === "for"`)
	do(t, ctx, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "the pause is shown", `document.querySelector(".alert") !== null && document.querySelector(".alert").textContent.includes("paused until")`)
	if c := a.Status().Command; !strings.Contains(c, "paused until") {
		t.Errorf("the command is %q", c)
	}
}
