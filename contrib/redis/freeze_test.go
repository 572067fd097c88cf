//go:build unix

package redis_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/contrib/redis"
)

// TestFreeze stops the server's process while its connections stay open.
func TestFreeze(t *testing.T) {
	for name, honours := range map[string]bool{"the client's default": false, "ContextTimeoutEnabled": true} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			// A client that waits for an answer for ever, but for a context.
			o := &goredis.Options{Addr: s.addr, ReadTimeout: -1, WriteTimeout: -1, ContextTimeoutEnabled: honours}
			client := newClient(t, o)
			first := campaign(t, client, "first", short)
			was := first.led(0)
			if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			thaw := func() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }
			t.Cleanup(thaw)
			first.lost()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := redis.Lease(client, "").Read(ctx, "web", 0); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Read on a server that is frozen: %v", err)
			}
			ctx, stop := context.WithCancel(t.Context())
			returned := make(chan error, 1)
			go func() {
				_, err := redis.Lease(client, "").Read(ctx, "web", 0)
				returned <- err
			}()
			stop()
			if err := <-returned; !errors.Is(err, context.Canceled) {
				t.Errorf("Read with a context that was canceled: %v", err)
			}
			thaw()
			// The lease itself may not have expired meanwhile: then the term goes on.
			if now := first.led(0); now.Number < was.Number {
				t.Errorf("after term %d comes %d", was.Number, now.Number)
			}
		})
	}
}
