// Package servers gives tests the real servers that they talk to. For each of
// them, in this order:
//
//   - the server that an environment variable names is used as it is. It must be one
//     that tests may write to, with the rights to create tables and users;
//   - else a private one is started from an installed program, on a free port of
//     127.0.0.1 and with its files in a temporary directory, and stopped when the
//     test ends;
//   - else the test is skipped, or fails if AUTOSCALE_TEST_REQUIRE is 1.
//
// Every call starts a new private server, so a test should call once and use the server in
// all its subtests.
package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // to see that MySQL answers
	_ "github.com/jackc/pgx/v5/stdlib" // to see that PostgreSQL answers

	"github.com/autoscalebot/autoscale/internal/programs"
)

// The variables that name a server to use instead of a private one.
const (
	EnvPostgres  = "AUTOSCALE_TEST_POSTGRES_URL"   // postgres://user:password@host:port/database
	EnvMySQL     = "AUTOSCALE_TEST_MYSQL_DSN"      // user:password@tcp(host:port)/database
	EnvRedis     = "AUTOSCALE_TEST_REDIS_URL"      // redis://host:port/number
	EnvMemcached = "AUTOSCALE_TEST_MEMCACHED_ADDR" // host:port
)

// patience is how long a program may take to end, or to answer, on a machine that
// has much else to do.
const patience = 3 * time.Minute

// Postgres returns the URL of a PostgreSQL database, for driver "pgx".
func Postgres(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(EnvPostgres); url != "" {
		return url
	}
	const hint = "install postgresql, or set " + EnvPostgres
	initdb := find(t, hint, "initdb", "/usr/lib/postgresql/*/bin")
	postgres := find(t, hint, "postgres", "/usr/lib/postgresql/*/bin")
	dir := tempDir(t)
	data := filepath.Join(dir, "data")
	run(t, dir, initdb, "--pgdata="+data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	var url string
	serve(t, dir, func(port int) *exec.Cmd {
		url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		return exec.Command(postgres, "-D", data, "-p", strconv.Itoa(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
	}, func(ctx context.Context) error { return ping(ctx, "pgx", url) })
	return url
}

// MySQL returns the DSN of a MariaDB or MySQL database, for driver "mysql". The
// private one is a MariaDB.
func MySQL(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(EnvMySQL); dsn != "" {
		return dsn
	}
	const hint = "install mariadb-server, or set " + EnvMySQL
	install := find(t, hint, "mariadb-install-db", "/usr/sbin")
	mariadbd := find(t, hint, "mariadbd", "/usr/sbin")
	dir := tempDir(t)
	data := filepath.Join(dir, "data")
	run(t, dir, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db")
	var dsn string
	serve(t, dir, func(port int) *exec.Cmd {
		dsn = fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port)
		return exec.Command(mariadbd, "--no-defaults", "--datadir="+data, "--port="+strconv.Itoa(port),
			"--bind-address=127.0.0.1", "--skip-name-resolve", "--socket="+filepath.Join(dir, "socket"),
			"--pid-file="+filepath.Join(dir, "pid"), "--innodb-flush-log-at-trx-commit=0")
	}, func(ctx context.Context) error { return ping(ctx, "mysql", dsn) })
	return dsn
}

// Redis returns the URL of a Redis server.
func Redis(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(EnvRedis); url != "" {
		return url
	}
	redis := find(t, "install redis-server, or set "+EnvRedis, "redis-server", "/usr/sbin")
	dir := tempDir(t)
	var addr string
	serve(t, dir, func(port int) *exec.Cmd {
		addr = "127.0.0.1:" + strconv.Itoa(port)
		return exec.Command(redis, "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
			"--dir", dir, "--save", "", "--appendonly", "no")
	}, func(ctx context.Context) error { return say(ctx, addr, "PING\r\n", "+PONG") })
	return "redis://" + addr + "/0"
}

// Memcached returns the address of a memcached server.
func Memcached(t testing.TB) string {
	t.Helper()
	if addr := os.Getenv(EnvMemcached); addr != "" {
		return addr
	}
	memcached := find(t, "install memcached, or set "+EnvMemcached, "memcached", "/usr/sbin")
	var addr string
	serve(t, tempDir(t), func(port int) *exec.Cmd {
		addr = "127.0.0.1:" + strconv.Itoa(port)
		return exec.Command(memcached, "-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0")
	}, func(ctx context.Context) error { return say(ctx, addr, "version\r\n", "VERSION ") })
	return addr
}

// find returns the path of a program: from PATH, or else from the folders, of
// which the newest counts where several match.
func find(t testing.TB, hint, program string, folders ...string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, folder := range folders {
		var newest string
		matches, _ := filepath.Glob(filepath.Join(folder, program))
		for _, m := range matches {
			if newest == "" || version(m) > version(newest) {
				newest = m
			}
		}
		if newest != "" {
			return newest
		}
	}
	programs.Missing(t, "%s is not installed: %s", program, hint)
	return ""
}

// version returns the number in a path like /usr/lib/postgresql/15/bin/postgres.
func version(path string) int {
	for _, part := range strings.Split(path, string(filepath.Separator)) {
		if n, err := strconv.Atoi(part); err == nil {
			return n
		}
	}
	return 0
}

// tempDir returns a directory that the servers may use whoever they run as,
// with a path short enough for a socket.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "servertest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the server's files: %v", err)
		}
	})
	if err := own(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a program to its end.
func run(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	if err := confine(cmd); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// serve starts a server on a free port and waits until it answers. Somebody else
// may take the port in between: then the server ends, and another port is tried.
func serve(t testing.TB, dir string, command func(port int) *exec.Cmd, answers func(context.Context) error) {
	t.Helper()
	var err error
	for range 3 {
		cmd := command(programs.FreePort(t))
		if err = start(t, dir, cmd, answers); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func start(t testing.TB, dir string, cmd *exec.Cmd, answers func(context.Context) error) error {
	t.Helper()
	output, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return err
	}
	defer output.Close() // the server has it open itself
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, output, output
	if err := confine(cmd); err != nil {
		return err
	}
	ended, err := programs.Start(cmd)
	if err != nil {
		return err
	}
	stop := func() {
		// Asked to, a server takes its own children with it.
		if cmd.Process.Signal(syscall.SIGTERM) == nil {
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Second):
			}
		}
		cmd.Process.Kill()
		<-ended
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := answers(ctx)
		if err == nil {
			select {
			case <-ended:
				return fmt.Errorf("%s ended, and another server answers on its port", cmd.Path)
			default:
			}
			t.Cleanup(stop)
			return nil
		}
		select {
		case <-ended:
			said, _ := os.ReadFile(output.Name())
			return fmt.Errorf("%s ended before it answered: %s", cmd.Path, said)
		case <-ctx.Done():
			stop()
			said, _ := os.ReadFile(output.Name())
			return fmt.Errorf("%s does not answer: %w\n%s", cmd.Path, err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ping reports whether a database answers.
func ping(ctx context.Context, driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// say reports whether a server answers a line as it should.
func say(ctx context.Context, addr, line, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte(line)); err != nil {
		return err
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if got := string(buf[:n]); !strings.HasPrefix(got, want) {
		return errors.New("unexpected answer " + strconv.Quote(got))
	}
	return nil
}
