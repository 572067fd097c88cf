package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// Ten minutes of heartbeats, at the times that are said.
func Example() {
	a := autoscale.New(configure(os.Stdout, new(service)))
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for range 22 {
		if _, err := a.Tick(context.Background(), now); err != nil {
			fmt.Println(err)
		}
		now = now.Add(30 * time.Second)
	}
	// Output:
	// chat:  web: scaled from 1 to 2 (bounds 1 to 3): latency 1.5s is above 1s, 3 times in a row (3 needed)
	// chat:  web: scaled from 2 to 3 (bounds 1 to 3): latency 1.5s is above 1s, 3 times in a row (3 needed)
	// pager: wake up (1), web: at the maximum of 3 processes, but more are needed: latency 1.5s is above 1s, 3 times in a row (3 needed)
	// pager: sleep on, web: resolved: more processes were needed than the maximum permits (it began 5m30s ago)
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out synced
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := autoscale.New(configure(&out, new(service))).Run(ctx); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"chat:  web: scaled from 1 to 2", "chat:  web: scaled from 2 to 3", "pager: wake up (1), web: at the maximum of 3"} {
			if n := strings.Count(out.String(), want); n != 1 {
				t.Errorf("%q was written %d times:\n%s", want, n, out.String())
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want 3:\n%s", n, out.String())
		}
	})
}

// synced is a buffer that two notifiers may write to at once.
type synced struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *synced) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
