package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A Clocked is a private PostgreSQL whose clock can be set, and which can be
// crashed and started again.
type Clocked struct {
	URL string // for driver "pgx"

	t     testing.TB
	dir   string
	bin   string // the folder of PostgreSQL's programs
	clock string // the file that says how far the clock is ahead
	ahead time.Duration
	port  int
}

// PostgresClocked starts a PostgreSQL under libfaketime. It is always a private
// one.
func PostgresClocked(t testing.TB) *Clocked {
	t.Helper()
	const hint = "install postgresql and faketime"
	initdb := find(t, hint, "initdb", "/usr/lib/postgresql/*/bin")
	if real, err := filepath.EvalSymlinks(initdb); err == nil {
		initdb = real
	}
	dir := tempDir(t)
	c := &Clocked{t: t, dir: dir, bin: filepath.Dir(initdb), clock: filepath.Join(dir, "clock")}
	run(t, dir, initdb, "--pgdata="+c.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	c.Step(0)
	serve(t, dir, func(port int) *exec.Cmd {
		c.port = port
		c.URL = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		return c.command()
	}, c.answers)
	return c
}

func (c *Clocked) data() string { return filepath.Join(c.dir, "data") }

func (c *Clocked) command() *exec.Cmd {
	library := find(c.t, "install faketime", "libfaketime.so.1", "/usr/lib/*/faketime")
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+library, "FAKETIME_TIMESTAMP_FILE="+c.clock,
		"FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_RESET=1")
	return cmd
}

func (c *Clocked) answers(ctx context.Context) error { return ping(ctx, "pgx", c.URL) }

// Step sets the server's clock forward, or back.
func (c *Clocked) Step(d time.Duration) {
	c.t.Helper()
	c.ahead += d
	// A file that is half written would be no clock at all.
	next := c.clock + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+.3f\n", c.ahead.Seconds()), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, c.clock); err != nil {
		c.t.Fatal(err)
	}
}

// Crash ends the server as a loss of power would, without a last checkpoint.
func (c *Clocked) Crash() {
	c.t.Helper()
	run(c.t, c.dir, filepath.Join(c.bin, "pg_ctl"), "stop", "--pgdata="+c.data(), "--mode=immediate", "--wait")
}

// Start starts the server after a Crash, at the same address.
func (c *Clocked) Start() {
	c.t.Helper()
	var err error
	for range 3 { // somebody else may have taken the port for a moment
		if err = start(c.t, c.dir, c.command(), c.answers); err == nil {
			return
		}
	}
	c.t.Fatal(err)
}
