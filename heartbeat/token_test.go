package heartbeat_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// A token that a variable of the environment lacks must not end the service, and lets nobody in.
func TestBadTokens(t *testing.T) {
	for name, tt := range map[string]struct {
		tokens, logged []string
		good           string // "": none
	}{
		"empty":        {[]string{""}, []string{"token 1 of Token is empty", "answers nobody, and the service goes on"}, ""},
		"a line end":   {[]string{"s3cret\n"}, []string{"token 1 of Token", "line break after it"}, ""},
		"white space":  {[]string{" "}, []string{"token 1 of Token"}, ""},
		"too long":     {[]string{strings.Repeat("s3cret", 200)}, []string{"1024 characters"}, ""},
		"one of two":   {[]string{"good", ""}, []string{"token 2 of Token is empty", "the other tokens count"}, "good"},
		"both":         {[]string{"", "s3cret\r"}, []string{"token 1 of", "token 2 of"}, ""},
		"nothing else": {[]string{"good"}, nil, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := heartbeat.Handler(heartbeat.Token(tt.tokens...), heartbeat.Logger(slog.New(slog.NewTextHandler(&log, nil))))
			for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer s3cret", "Bearer good", "Bearer " + tt.tokens[0], "Basic Og=="} {
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header["Authorization"] = []string{authorization}
				h.ServeHTTP(w, r)
				want := http.StatusNotFound
				if tt.good != "" && authorization == "Bearer "+tt.good {
					want = http.StatusOK
				}
				if w.Code != want {
					t.Errorf("%q: status %d, want %d", authorization, w.Code, want)
				}
			}
			for _, want := range tt.logged {
				if !strings.Contains(log.String(), want) {
					t.Errorf("logged %q, want %q in it", &log, want)
				}
			}
			if tt.logged == nil && log.Len() > 0 || strings.Contains(log.String(), "s3cret") {
				t.Errorf("logged %q", &log)
			}
		})
	}
}
