//go:build linux

package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// A database is a PostgreSQL of the trial's own, which it stops and starts as it likes,
// and whose clock it steps where libfaketime is installed.
type database struct {
	addr, dir string
	postgres  string
	as        *syscall.Credential
	faketime  string // the library; empty: there is none
	running   *child
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	d := &database{}
	matches, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	initdb, err := exec.LookPath("initdb")
	if err != nil && len(matches) > 0 {
		initdb, err = matches[len(matches)-1], nil
	}
	if err != nil {
		programs.Missing(t, "initdb is not installed: install postgresql. the trial stops and starts a database of its own")
	}
	d.postgres = filepath.Join(filepath.Dir(initdb), "postgres")
	if libs, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1"); len(libs) > 0 {
		d.faketime = libs[0]
	}
	if d.dir, err = os.MkdirTemp("", "chaos-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d.dir) })
	if os.Geteuid() == 0 { // which PostgreSQL refuses
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
		gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
		d.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(d.dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	init := exec.Command(initdb, "--pgdata="+filepath.Join(d.dir, "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	init.Dir = d.dir
	init.SysProcAttr = &syscall.SysProcAttr{Credential: d.as, Pdeathsig: syscall.SIGKILL}
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	l.Close()
	if err := d.step(0); err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(syscall.SIGQUIT) })
	if err := d.do(t.Context(), "CREATE ROLE host LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", mayCreate); err != nil {
		t.Fatal(err)
	}
	return d
}

// url names the database as a role reaches it through an address.
func (d *database) url(role, addr string) string {
	return "postgres://" + role + "@" + addr + "/postgres?sslmode=disable"
}

// Whether the hosts may create the table.
const (
	mayCreate    = "GRANT CREATE ON SCHEMA public TO host"
	mayNotCreate = "REVOKE CREATE ON SCHEMA public FROM host"
)

// do runs statements as the superuser.
func (d *database) do(ctx context.Context, statements ...string) error {
	db, err := sql.Open("pgx", d.url("postgres", d.addr))
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range statements {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		_, err := db.ExecContext(ctx, s)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (d *database) address() string             { return d.addr }
func (d *database) flags(proxy string) []string { return []string{"-database=" + d.url("host", proxy)} }
func (d *database) canStep() bool               { return d.faketime != "" }

// start starts the server, and waits until it answers.
func (d *database) start(ctx context.Context) error {
	_, port, _ := net.SplitHostPort(d.addr)
	cmd := exec.Command(d.postgres, "-D", filepath.Join(d.dir, "data"), "-p", port, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "log_min_messages=fatal")
	cmd.Dir = d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.as, Pdeathsig: syscall.SIGKILL}
	if d.faketime != "" {
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+d.faketime, "FAKETIME_TIMESTAMP_FILE="+d.clock(),
			"FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1")
	}
	running, err := startChild(cmd)
	if err != nil {
		return err
	}
	d.running = running
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := d.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-running.ended:
			return fmt.Errorf("PostgreSQL ended before it answered: %v", cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *database) ping(ctx context.Context) error {
	db, err := sql.Open("pgx", d.url("postgres", d.addr))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// stop stops the server: SIGINT ends its connections in good order, SIGQUIT
// leaves everything as it lies, as a crash would.
func (d *database) stop(how syscall.Signal) {
	d.running.cmd.Process.Signal(how)
	select {
	case <-d.running.ended:
	case <-time.After(20 * time.Second):
		d.running.cmd.Process.Kill()
		<-d.running.ended
	}
}

func (d *database) clock() string { return filepath.Join(d.dir, "clock") }

// step sets the server's clock so far from the true one.
func (d *database) step(by time.Duration) error {
	// The file is replaced whole: the server may read it at any moment.
	fresh := d.clock() + ".new"
	if err := os.WriteFile(fresh, fmt.Appendf(nil, "%+.3f\n", by.Seconds()), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, d.clock())
}
