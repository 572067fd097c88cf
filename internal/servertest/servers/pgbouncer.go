package servers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// EnvPgBouncer names a PgBouncer in transaction mode to use instead of a private
// one, in front of the database that EnvPostgres names.
const EnvPgBouncer = "AUTOSCALE_TEST_PGBOUNCER_URL" // postgres://user:password@host:port/database

// PgBouncer returns the URL of a PgBouncer in transaction mode before the
// PostgreSQL at postgresURL, with a pool of a few connections, so that statements
// of one client run on different ones. Its driver must not prepare statements by
// name: add default_query_exec_mode=exec for pgx.
func PgBouncer(t testing.TB, postgresURL string) string {
	t.Helper()
	if url := os.Getenv(EnvPgBouncer); url != "" {
		return url
	}
	pgbouncer := find(t, "install pgbouncer, or set "+EnvPgBouncer, "pgbouncer", "/usr/sbin")
	target, err := url.Parse(postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, secret := target.User.Password(); secret {
		programs.Missing(t, "a private PgBouncer cannot be put before a server that asks for a password: set %s", EnvPgBouncer)
	}
	database := strings.TrimPrefix(target.Path, "/")
	dir := tempDir(t)
	config := filepath.Join(dir, "pgbouncer.ini")
	var pooled string
	serve(t, dir, func(port int) *exec.Cmd {
		pooled = fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", target.User.Username(), port, database)
		text := fmt.Sprintf(`[databases]
%s = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
server_login_retry = 1
`, database, target.Hostname(), target.Port(), target.User.Username(), port)
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return exec.Command(pgbouncer, config)
	}, func(ctx context.Context) error { return ping(ctx, "pgx", pooled+"&default_query_exec_mode=exec") })
	return pooled
}
