package platformtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

func hello() *platformtest.Server {
	return platformtest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "hello %s", body)
	}), func(path string) bool { return path == "/secret" })
}

// A test makes one answer fail, and asks what arrived.
func ExampleNewServer() {
	s := hello()
	defer s.Close()
	s.Inject(platformtest.Fault{Path: "/apps/*", Status: 503})
	for range 2 {
		res, err := http.Post(s.URL+"/apps/shop", "text/plain", strings.NewReader("world"))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Printf("%d %q\n", res.StatusCode, body)
	}
	for _, r := range s.Requests() {
		fmt.Println(r.Method, r.Path, r.Body, r.Status)
	}
	// Output:
	// 503 ""
	// 200 "hello world"
	// POST /apps/shop world 503
	// POST /apps/shop world 200
}

// Each fault strikes through a network and through memory alike.
func TestFaults(t *testing.T) {
	s := hello()
	defer s.Close()
	for name, client := range map[string]*http.Client{
		"network": {Transport: &http.Transport{DisableKeepAlives: true}}, "memory": {Transport: s.Transport()},
	} {
		for _, tt := range []struct {
			name  string
			fault platformtest.Fault
			want  string // of the answer; empty: there is none
		}{
			{"none", platformtest.Fault{Path: "/elsewhere"}, "hello "},
			{"another method", platformtest.Fault{Method: "POST", Reset: true}, "hello "},
			{"skipped", platformtest.Fault{Skip: 1, Reset: true}, "hello "},
			{"status", platformtest.Fault{Status: 418, Body: "<html>"}, "<html>"},
			{"reset", platformtest.Fault{Reset: true}, ""},
			{"truncated", platformtest.Fault{Truncate: true}, ""},
			{"hang", platformtest.Fault{Hang: true}, ""},
			{"slow", platformtest.Fault{Delay: time.Minute}, ""},
		} {
			s.ClearFaults()
			s.Inject(tt.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/", nil)
			got := ""
			if res, err := client.Do(req); err == nil {
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil {
					got = string(body)
				}
			}
			cancel()
			if got != tt.want {
				t.Errorf("%s, %s: %q, want %q", name, tt.name, got, tt.want)
			}
		}
	}
}

// In a bubble the fake runs on the bubble's time. What may hold a secret is not kept.
func TestTransport(t *testing.T) {
	s := hello()
	defer s.Close()
	transport := s.Transport()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s.Inject(platformtest.Fault{Delay: time.Hour})
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/secret", strings.NewReader("secret"))
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if took := time.Since(start); took != time.Hour {
			t.Errorf("took %v", took)
		}
	})
	if r := s.Requests()[0]; r.Body != "" || r.Status != 200 || s.Count("POST", "/s*") != 1 || s.Count("GET", "/s*") != 0 {
		t.Errorf("kept %+v", r)
	}
}
