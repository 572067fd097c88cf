package autoscale_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/probe"
)

// TestHeartbeat holds the prober and the heartbeat together: neither package
// may import the other, and they speak through headers.
func TestHeartbeat(t *testing.T) {
	check := heartbeat.Check("db", func(context.Context) error { return nil })
	for _, tt := range []struct {
		name  string
		parts []heartbeat.Part
		err   string
	}{
		{"all is well", []heartbeat.Part{check}, ""},
		{"by default", nil, ""},
		{"something is down", []heartbeat.Part{heartbeat.Check("db", func(context.Context) error { return errors.New("down") })}, "depends on is down"},
		{"something hangs", []heartbeat.Part{heartbeat.Check("db", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })}, "depends on is down"},
		{"something hangs that ignores its context", []heartbeat.Part{heartbeat.Check("db", func(context.Context) error { select {} })}, "depends on is down"},
		{"the token is missing", []heartbeat.Part{check, heartbeat.Token("a-long-enough-token")}, "status 404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(heartbeat.Handler(append(tt.parts, heartbeat.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))))...))
			defer server.Close()
			p := &probe.HTTP{URL: server.URL, Timeout: 2 * time.Second}
			defer p.CloseIdleConnections()
			s, err := p.Probe(t.Context())
			switch {
			case tt.err == "" && (err != nil || s.Failure != autoscale.NoFailure):
				t.Errorf("%+v, %v", s, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("%+v, %v: want an error that says %q, and no sample", s, err, tt.err)
			}
		})
	}
}
