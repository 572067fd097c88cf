package dokku_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// script stands in for Dokku behind a real sshd, as the forced command of a key. Its words
// are those of Dokku's source. Files switch its states: lock, race, appjson, slow, fail.
const script = `#!/bin/sh
cd "$(dirname "$0")" || exit 99
echo "$SSH_ORIGINAL_COMMAND" >> commands
set -- $SSH_ORIGINAL_COMMAND
no() { echo " !     $1" >&2; exit "${2:-1}"; }
[ "$2" = shop ] || no "App $2 does not exist" 20
case "$1" in
apps:locked)
	[ -e lock ] || no "Deploy lock does not exist"
	echo "Deploy lock exists"
	;;
ps:scale)
	if [ -z "$3" ]; then
		echo "-----> Scaling for shop"
		echo "proctype: qty"
		echo "--------: ---"
		sed 's/=/: /' scale
		exit
	fi
	[ -e appjson ] && no "App shop contains an app.json file with a formations key and cannot be manually scaled"
	echo "-----> Scaling shop processes: $3"
	echo "$3" > scale.new && echo worker=1 >> scale.new && mv scale.new scale
	if [ -e lock ] || [ -e race ]; then
		echo " !     shop currently has a deploy lock in place. Exiting..." >&2
		no "Run 'apps:unlock' to release the existing deploy lock"
	fi
	while [ -e slow ]; do sleep 0.05; done
	[ -e fail ] && no "App web container failed to pass its checks"
	echo "=====> Application deployed"
	;;
*)
	no "$1 is not a Dokku command"
	;;
esac
`

// A server is a private sshd whose only key runs the script.
type server struct {
	addr, dir, hostKey, user string
	key                      []byte
}

func startServer(t *testing.T) *server {
	t.Helper()
	program, err := exec.LookPath("sshd")
	for _, place := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if _, missing := os.Stat(place); err != nil && missing == nil {
			program, err = place, nil
		}
	}
	if err != nil {
		programs.Missing(t, "sshd is not installed: install the package openssh-server")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755) // without it, sshd does not start as root
	}
	s := &server{dir: t.TempDir(), user: me.Username}
	private, public := newKey(t)
	s.key = private
	hostPrivate, hostPublic := newKey(t)
	s.hostKey = hostPublic
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(s.dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("scale", "web=1\nworker=1\n", 0o600)
	fake := write("dokku", script, 0o700)
	keys := write("authorized_keys", fmt.Sprintf("restrict,command=%q %s", fake, public), 0o600)
	host := write("host_key", string(hostPrivate), 0o600)

	for range 20 {
		s.addr = programs.FreeAddress(t)
		_, port, _ := net.SplitHostPort(s.addr)
		config := write("sshd_config", strings.Join([]string{
			"ListenAddress 127.0.0.1", "Port " + port, "HostKey " + host, "AuthorizedKeysFile " + keys, "PidFile none",
			"StrictModes no", "UsePAM no", "PermitRootLogin yes", "PasswordAuthentication no", "",
		}, "\n"), 0o600)
		cmd := exec.Command(program, "-D", "-e", "-f", config)
		var log bytes.Buffer
		cmd.Stderr = &log
		ended, err := programs.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		if answers(s.addr, ended) {
			return s
		}
	}
	t.Fatal("sshd does not start")
	return nil
}

func answers(addr string, ended <-chan struct{}) bool {
	for range 200 {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// newKey returns a private key in PEM, and its public key as a line.
func newKey(t *testing.T) (private []byte, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line)))
}

// set creates or removes a file that switches a state.
func (s *server) set(name string, on bool) {
	file := filepath.Join(s.dir, name)
	if on {
		_ = os.WriteFile(file, nil, 0o600)
	} else {
		_ = os.Remove(file)
	}
}

// orders returns the sizes that were ordered.
func (s *server) orders() []string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "commands"))
	var orders []string
	for l := range strings.Lines(string(text)) {
		if _, order, is := strings.Cut(strings.TrimSpace(l), "web="); is {
			orders = append(orders, order)
		}
	}
	return orders
}

// ordered waits until these sizes were ordered.
func (s *server) ordered(t *testing.T, sizes ...string) {
	t.Helper()
	s.until(t, fmt.Sprintf("%v are ordered", sizes), func() bool { return slices.Equal(s.orders(), sizes) })
}

// until waits for what the server does in other processes.
func (s *server) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(time.Minute); !f(); {
		select {
		case <-ticker.C:
		case <-patience:
			t.Fatalf("not within a minute: %s; the orders are %v", what, s.orders())
		}
	}
}
