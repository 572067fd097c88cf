package redis_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// envURL names a server to use instead of a private one, redis://host:port/number.
const envURL = "AUTOSCALE_TEST_REDIS_URL"

// options returns the options of a client for a server that tests share: the one that
// the environment names, or else a private one.
func options(t testing.TB) *goredis.Options {
	t.Helper()
	url := os.Getenv(envURL)
	if url == "" {
		return &goredis.Options{Addr: startServer(t).addr}
	}
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatalf("%s is not a URL of a Redis server", envURL) // err may hold a password
	}
	return o
}

// newClient returns a client, until the test ends.
func newClient(t testing.TB, o *goredis.Options) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// server is a private Redis server.
type server struct {
	t      testing.TB
	addr   string
	client *goredis.Client

	program, dir string
	args         []string
	cmd          *exec.Cmd
	ended        <-chan struct{}
}

// startServer starts a server with a configuration of its own, until the test ends.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		programs.Missing(t, "redis-server is not installed: install it; for tests that need no server of their own it is enough to set %s", envURL)
	}
	s := &server{t: t, program: program, dir: t.TempDir(), args: args}
	t.Cleanup(s.kill)
	// Somebody else may take the port, and a fifth of all ports are too great for
	// a server of a cluster, which needs the one 10000 above as well.
	for range 20 {
		if s.addr = programs.FreeAddress(t); s.start() {
			s.client = newClient(t, &goredis.Options{Addr: s.addr})
			return s
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	t.Fatalf("redis-server does not start:\n%s", log)
	return nil
}

// start runs the server, and reports whether it answers.
func (s *server) start() bool {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command(s.program, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", "log",
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0",
	}, s.args...)...)
	s.cmd.Dir = s.dir
	ended, err := programs.Start(s.cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ended = ended
	client := goredis.NewClient(&goredis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(30 * time.Second); ; {
		if client.Ping(context.Background()).Err() == nil {
			return true
		}
		select {
		case <-ended:
			return false
		case <-patience:
			s.kill()
			return false
		case <-ticker.C:
		}
	}
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	if s.ended != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// restart kills the server and starts it again, with the same files.
func (s *server) restart() {
	s.t.Helper()
	s.kill()
	if !s.start() {
		s.t.Fatal("redis-server does not start again")
	}
}

// do runs a command of a person.
func (s *server) do(args ...any) {
	s.t.Helper()
	if err := s.client.Do(context.Background(), args...).Err(); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(time.Minute); !ok(); {
		select {
		case <-patience:
			t.Fatalf("not yet: %s", what)
		case <-ticker.C:
		}
	}
}

// cable joins a client to its server, and can be cut: what is sent is lost then,
// in either direction, and nothing is closed.
type cable struct{ cut atomic.Bool }

func (c *cable) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, cable: c}, nil
}

type wire struct {
	net.Conn
	cable *cable
}

func (w *wire) Write(b []byte) (int, error) {
	if w.cable.cut.Load() {
		return len(b), nil
	}
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	for {
		n, err := w.Conn.Read(b)
		if err != nil || !w.cable.cut.Load() {
			return n, err
		}
	}
}

// unique returns a name that no other test, or run of it, has.
func unique(t testing.TB) string {
	return t.Name() + "/" + strconv.FormatInt(time.Now().UnixNano(), 36)
}
