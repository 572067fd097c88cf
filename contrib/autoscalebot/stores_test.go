package main

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

// TestMain lets the tests start the program: their own binary with AUTOSCALEBOT_TEST set.
func TestMain(m *testing.M) {
	if os.Getenv("AUTOSCALEBOT_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// A Redis server that refuses the connection is said once, and not by its client too.
func TestRedisRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "status")
	cmd.Env = append(os.Environ(), "AUTOSCALEBOT_TEST=1", "AUTOSCALE_STORE=redis://"+l.Addr().String()+"/0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	_ = cmd.Run()
	if got := stderr.String(); cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(got, "autoscalebot: status: the store cannot be read: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("exit status %d, %s", cmd.ProcessState.ExitCode(), got)
	}
}

// announce listens as a PostgreSQL that lets anybody in, and then announces a message of
// so many bytes and sends none of them.
func announce(t *testing.T, size uint32) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 1000)) // what the client starts with
				io.WriteString(conn, "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I")
				conn.Read(make([]byte, 1000)) // a query
				conn.Write(binary.BigEndian.AppendUint32([]byte{'T'}, size))
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// A server that announces a gibibyte gets no room for it.
func TestPostgresAnnouncesMuch(t *testing.T) {
	for _, size := range []uint32{1 << 30, 1<<30 - 1024, 1<<31 - 1, 2 << 20} {
		opts := &leader.Options{Name: "web", TTL: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}
		store, err := openPostgres("postgres://owner:hunter2hunter2@"+announce(t, size)+"/shop?sslmode=disable", false, opts)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, failed := store.Names(ctx)
		store.Check(ctx)
		refreshed := store.Elector.Refresh(ctx)
		cancel()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("announced %d: %d bytes were allocated", size, n)
		}
		if failed == nil || refreshed == nil {
			t.Errorf("announced %d: %v, %v", size, failed, refreshed)
		}
	}
}

func TestPostgresURLIsRefused(t *testing.T) {
	_, err := openPostgres("postgres://owner:hunter2hunter2@host/shop?sslmode=odd", false, &leader.Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
