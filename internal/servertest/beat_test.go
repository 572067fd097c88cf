package servertest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/internal/safebuffer"
)

// A prober waits for soon where something hangs, and for long where nothing should,
// however slow the machine is.
const (
	soon = time.Second
	long = 30 * time.Second
)

// beat requests the handler of parts as a prober does that waits for so long, and
// returns the answer's mark and what was logged.
func beat(t *testing.T, wait time.Duration, parts ...heartbeat.Part) (mark, log string) {
	t.Helper()
	var buf safebuffer.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	parts = append(parts, heartbeat.NoDefaults(), heartbeat.Logger(logger), heartbeat.Timeout(long))
	server := httptest.NewServer(heartbeat.Handler(parts...))
	defer server.Close()
	mark = request(t, server, wait)
	return mark, buf.String()
}

func request(t *testing.T, server *httptest.Server, wait time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait+long)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Autoscale-Timeout-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	return res.Header.Get("Autoscale-Heartbeat")
}

func wantOK(t *testing.T, parts ...heartbeat.Part) {
	t.Helper()
	if mark, log := beat(t, long, parts...); mark != "ok" {
		t.Errorf("the heartbeat says %q: %s", mark, log)
	}
}

// wantFail also wants the log to say something, and not to hold a password.
func wantFail(t *testing.T, said string, parts ...heartbeat.Part) {
	t.Helper()
	wantFailIn(t, long, said, parts...)
}

// wantHang is wantFail for a heartbeat that fails because the prober's time ends.
func wantHang(t *testing.T, said string, parts ...heartbeat.Part) {
	t.Helper()
	wantFailIn(t, soon, said, parts...)
}

func wantFailIn(t *testing.T, wait time.Duration, said string, parts ...heartbeat.Part) {
	t.Helper()
	mark, log := beat(t, wait, parts...)
	if mark != "fail" || !strings.Contains(log, said) {
		t.Errorf("the heartbeat says %q, and the log %q; want fail and %q", mark, log, said)
	}
	if strings.Contains(log, password) {
		t.Errorf("the log holds the password: %s", log)
	}
}
