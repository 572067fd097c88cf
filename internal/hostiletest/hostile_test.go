package hostiletest_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/probe"
)

const (
	token = "HRKU-AAhostile-not-a-secret"

	// maxText bounds what a call says, its own words and advice included.
	maxText = 2000

	// grace is how long after its deadline a call may return, on a machine under load.
	grace = 10 * time.Second
)

// trusting reports whether clients trust the servers' certificate.
var trusting = runtime.GOOS == "linux"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hostiletest")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "cert.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hostiletest.Certificate().Certificate[0]})
	if err := os.WriteFile(file, cert, 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", file) // for the clients' own transports
	return m.Run()
}

// A door is a way by which the library calls a server. Its call returns all texts that
// may be kept or shown.
type door struct {
	name string
	call func(ctx context.Context, url string) (texts []any, err error)
}

// doors has a line for each client, and for each mode in which it sends requests. Those of
// the platforms are in files of their own.
var doors = slices.Concat(
	common,
	renderDoors,
	scalingoDoors,
	cloudfoundryDoors,
	poolDoors,
	flyDoors,
	ecsDoors,
	nomadDoors,
	swarmDoors,
	cloudrunDoors,
)

var common = []door{
	{"probe.HTTP", prober(func(url string) autoscale.Prober { return &probe.HTTP{URL: url, Timeout: time.Minute} })},
	{"probe.HTTP with Split", prober(func(url string) autoscale.Prober {
		return &probe.HTTP{URL: url, Timeout: time.Minute, Split: true, ServerLatency: true}
	})},
	{"probe.HTTP with Requests", prober(func(url string) autoscale.Prober {
		return &probe.HTTP{URL: url, Timeout: time.Minute, Requests: 3}
	})},
	{"probe.HTTP with a Client", prober(func(url string) autoscale.Prober {
		return &probe.HTTP{URL: url, Timeout: time.Minute, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	})},
	{"probe.JSON", prober(func(url string) autoscale.Prober { return &probe.JSON{URL: url, Path: "type", Timeout: time.Minute} })},
	{"probe.JSON with a Client", prober(func(url string) autoscale.Prober {
		return &probe.JSON{URL: url, Timeout: time.Minute, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}}}
	})},
	{"notify.Webhook", notifier(func(url string) autoscale.Notifier { return notify.Webhook(url, notify.WebhookOptions{}) })},
	{"notify.Webhook with a Client", notifier(func(url string) autoscale.Notifier {
		return notify.Webhook(url, notify.WebhookOptions{Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	})},
	{"notify.Slack", notifier(func(url string) autoscale.Notifier { return notify.Slack(url) })},
	{"notify.SlackBot", notifier(func(url string) autoscale.Notifier {
		return notify.SlackBot(token, "C1", notify.ChatOptions{BaseURL: url})
	})},
	{"notify.Discord", notifier(func(url string) autoscale.Notifier { return notify.Discord(url) })},
	{"notify.Teams", notifier(func(url string) autoscale.Notifier { return notify.Teams(url) })},
	{"heroku Capacity", platform(func(ctx context.Context, c *heroku.Client) error {
		_, err := c.Scaler("shop", "web").Capacity(ctx)
		return err
	})},
	{"heroku Scale", platform(func(ctx context.Context, c *heroku.Client) error { return c.Scaler("shop", "web").Scale(ctx, 3) })},
	{"heroku WebURL", platform(func(ctx context.Context, c *heroku.Client) error {
		_, err := c.WebURL("shop")(ctx)
		return err
	})},
}

func prober(make func(url string) autoscale.Prober) func(context.Context, string) ([]any, error) {
	return func(ctx context.Context, url string) ([]any, error) {
		p := make(url)
		defer p.(autoscale.IdleCloser).CloseIdleConnections()
		s, err := p.Probe(ctx)
		return []any{s}, err
	}
}

func notifier(make func(url string) autoscale.Notifier) func(context.Context, string) ([]any, error) {
	return func(ctx context.Context, url string) ([]any, error) {
		return nil, make(url).Notify(ctx, autoscale.Event{Kind: autoscale.Scaled, From: 1, To: 2})
	}
}

func platform(call func(context.Context, *heroku.Client) error) func(context.Context, string) ([]any, error) {
	return func(ctx context.Context, url string) ([]any, error) {
		c := heroku.NewClient(token, &heroku.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		err := call(ctx, c)
		var e *heroku.Error
		if errors.As(err, &e) {
			return []any{e.Code, e.Message, e.RequestID, fmt.Sprintf("%+v", *e)}, err
		}
		return nil, err
	}
}

// Each call ends at its deadline and when its context ends, with a short text on one
// line, whatever the server does.
func TestEachCallEnds(t *testing.T) {
	behaviors := hostiletest.Behaviors()
	for code := range 1000 {
		if code < 210 || code%100 < 4 || code == 304 || code == 429 || code == 999 {
			behaviors = append(behaviors, hostiletest.Status(code))
		}
	}
	room := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for _, b := range behaviors {
		if (b.TLS || b.H2) && !trusting {
			continue
		}
		server := hostiletest.Serve(b)
		t.Cleanup(server.Close)
		for _, d := range doors {
			wg.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				name := d.name + ": " + b.Name
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				defer cancel()
				ends(t, name, d, ctx, server.URL)
				ctx, cancel = context.WithCancel(t.Context())
				defer cancel()
				defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
				ends(t, name+", cancelled", d, ctx, server.URL)
			})
		}
	}
	wg.Wait()
}

func ends(t *testing.T, name string, d door, ctx context.Context, url string) {
	type outcome struct {
		texts []any
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		texts, err := d.call(ctx, url)
		done <- outcome{texts, err}
	}()
	select {
	case <-ctx.Done():
	case o := <-done:
		done <- o
	}
	select {
	case o := <-done:
		for _, text := range append(o.texts, o.err) {
			hostiletest.Text(t, name, fmt.Sprint(text), maxText, token)
		}
	case <-time.After(grace):
		t.Errorf("%s: the call did not end with its context", name)
	}
}

// One fault has one meaning, whichever protocol carries it.
func TestOneFaultHasOneMeaning(t *testing.T) {
	want := map[string]autoscale.Failure{
		"reset at once":                      autoscale.Refused,
		"close at once":                      autoscale.Refused,
		"silence":                            autoscale.Timeout,
		"reset":                              autoscale.Refused,
		"reset within the body":              autoscale.Refused,
		"close":                              autoscale.Refused,
		"hang":                               autoscale.Timeout,
		"103 slowly":                         autoscale.Timeout,
		"slow headers":                       autoscale.Timeout,
		"a slow body":                        autoscale.Timeout,
		"no body after its length":           autoscale.Timeout,
		"half a body":                        autoscale.Refused,
		"half a chunk":                       autoscale.Refused,
		"status 500":                         autoscale.ServerError,
		"status 599":                         autoscale.ServerError,
		"status 999":                         autoscale.ServerError, // as RFC 9110, section 15, says
		"TLS: hang":                          autoscale.Timeout,
		"TLS: half closed":                   autoscale.Refused,
		"TLS: half closed within the body":   autoscale.Refused,
		"TLS: cut within the body":           autoscale.Refused,
		"HTTP/2: hang":                       autoscale.Timeout,
		"HTTP/2: half a body":                autoscale.Timeout,
		"HTTP/2: close":                      autoscale.Refused,
		"HTTP/2: reset of the connection":    autoscale.Refused,
		"HTTP/2: RST_STREAM":                 autoscale.Refused,
		"HTTP/2: RST_STREAM CANCEL":          autoscale.Refused,
		"HTTP/2: RST_STREAM REFUSED_STREAM":  autoscale.Refused,
		"HTTP/2: RST_STREAM within the body": autoscale.Refused,
		"HTTP/2: GOAWAY":                     autoscale.Refused,
		"HTTP/2: GOAWAY and open":            autoscale.Refused,
		"HTTP/2: GOAWAY gracefully":          autoscale.Refused,
		"HTTP/2: GOAWAY after the stream":    autoscale.Refused,
		"HTTP/2: GOAWAY within the body":     autoscale.Refused,
		"HTTP/2: 999":                        autoscale.ServerError,
	}
	none := []string{
		"not HTTP", "101 and silence", "101 and endless bytes", "a long Location", "a Location that does not parse", "two lengths",
		"endless header fields", "an endless header field", "100 for ever", "103 for ever", "status 000", "status 101", "status 300", "status 404",
		"TLS: not TLS", "TLS: an alert", "HTTP/2: 000", "HTTP/2: 101", "HTTP/2: endless CONTINUATION", "HTTP/2: a status that is none",
	}
	for _, name := range none {
		want[name] = autoscale.NoFailure
	}
	behaviors := hostiletest.Behaviors()
	for _, code := range []int{0, 101, 300, 404, 500, 599, 999} {
		behaviors = append(behaviors, hostiletest.Status(code))
	}
	var wg sync.WaitGroup
	for _, b := range behaviors {
		failure, known := want[b.Name]
		delete(want, b.Name)
		if !known || (b.TLS || b.H2) && !trusting {
			continue
		}
		server := hostiletest.Serve(b)
		t.Cleanup(server.Close)
		wg.Go(func() {
			p := &probe.HTTP{URL: server.URL, Timeout: 3 * time.Second}
			if failure == autoscale.Timeout {
				p.Timeout = 200 * time.Millisecond
			}
			defer p.CloseIdleConnections()
			s, err := p.Probe(t.Context())
			if s.Failure != failure || (err != nil) != (failure == autoscale.NoFailure) {
				t.Errorf("%s: %v (%s), %v; want %v, and an error only without a failure", b.Name, s.Failure, s.Detail, err, failure)
			}
		})
	}
	wg.Wait()
	for name := range want {
		t.Errorf("no behavior is called %q", name)
	}
}

// Nothing that others send grows inside us: neither the heap nor the Status.
func TestNothingGrows(t *testing.T) {
	const (
		ticks     = 1500
		maxStatus = 64 << 10
		maxGrowth = 2 << 20
	)
	names := []string{"a long Location", "a long line that is not HTTP", "a long reason", "long JSON error", "long JSON", "a broken chunk"}
	for _, b := range hostiletest.Behaviors() {
		if !strings.Contains(strings.Join(names, "\n")+"\n", b.Name+"\n") {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			server := hostiletest.Serve(b)
			defer server.Close()
			c := heroku.NewClient(token, &heroku.Options{BaseURL: server.URL, MetricsURL: "-", CallsPerHour: 1 << 30})
			defer c.CloseIdleConnections()
			p := &probe.HTTP{URL: server.URL}
			defer p.CloseIdleConnections()
			a := autoscale.New(autoscale.Config{Prober: p, Scaler: once{c.Scaler("shop", "web")}, Interval: time.Second})
			now := time.Now()
			var before uint64
			for i := range ticks / len(names) {
				if i == 50 {
					before = heap()
				}
				now = now.Add(time.Second)
				a.Tick(t.Context(), now)
			}
			if after := heap(); after > before+maxGrowth {
				t.Errorf("the heap grew from %d to %d bytes; %d goroutines", before, after, runtime.NumGoroutine())
			}
			text, err := json.Marshal(a.Status())
			if err != nil || len(text) > maxStatus {
				t.Errorf("the Status has %d bytes as JSON, %v", len(text), err)
			}
		})
	}
}

// once gives each call the time for one try.
type once struct{ autoscale.Scaler }

func (o once) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	ctx, cancel := context.WithTimeout(ctx, 240*time.Millisecond) // the shortest pause is 250ms
	defer cancel()
	return o.Scaler.Capacity(ctx)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
