package calls_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		status             int
		after, reset, xres string
		want               time.Duration
	}{
		{429, "", "", "", 0},
		{503, "7", "", "", 7 * time.Second},
		{503, "", "7", "7", 0}, // not for want of calls
		{429, "7", "45", "1795780890", 7 * time.Second},
		{429, "0", "45", "", 0},
		{429, "soon", "45", "", 45 * time.Second},
		{429, "", " 45 ", "", 45 * time.Second},
		{429, "", "1795780890", "", 90 * time.Second}, // seconds since 1970
		{429, "", "", "1795780890", 90 * time.Second},
		{429, "", "", "1795780000", 0}, // past
		{429, "", "-5", "90", 0},
		{429, "", "", "1795780890000", calls.MaxRetryAfter},
		{429, "", "3600", "", calls.MaxRetryAfter},
		{429, "", "9223372036854775807", "", calls.MaxRetryAfter},
		{429, "", "-9223372036854775808", "", 0},
		{429, "", "99999999999999999999", "30", 30 * time.Second},
		{429, "Fri, 27 Nov 2026 12:01:00 GMT", "", "", time.Minute},
		{429, "", "", "Fri, 27 Nov 2026 12:01:00 GMT", time.Minute},
	} {
		h := http.Header{}
		for name, value := range map[string]string{"Retry-After": tt.after, "Ratelimit-Reset": tt.reset, "X-RateLimit-Reset": tt.xres} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if got := calls.RetryAfter(tt.status, h, now); got != tt.want {
			t.Errorf("%d %v: %v, want %v", tt.status, h, got, tt.want)
		}
	}
}
