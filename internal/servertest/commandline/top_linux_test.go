package commandline

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTop: top draws on a terminal, shows a command when it is given, and leaves the
// terminal as it was when it is interrupted.
func TestTop(t *testing.T) {
	st := stores(t)["sqlite"](t)
	s := serve(t, st, "quiet-river")
	s.scales(t, 3)
	environ := []string{"AUTOSCALE_STORE=" + st.url, "HEROKU_APP_NAME=quiet-river", "USER=alice"}

	master, terminal := openTerminal(t)
	cmd := exec.Command(binary, "top")
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, terminal, terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	terminal.Close()

	chunks := make(chan string, 1000)
	go func() {
		defer close(chunks)
		for buf := make([]byte, 4096); ; {
			n, err := master.Read(buf)
			if err != nil {
				return // all that had the terminal open have ended
			}
			chunks <- string(buf[:n])
		}
	}()
	var drawn strings.Builder
	shows := func(want string) {
		t.Helper()
		for end := time.After(patience); !strings.Contains(drawn.String(), want); {
			select {
			case s, ok := <-chunks:
				if drawn.WriteString(s); !ok {
					t.Fatalf("top ended without %q: %q", want, drawn.String())
				}
			case <-end:
				t.Fatalf("top does not show %q: %q", want, drawn.String())
			}
		}
	}
	shows("quiet-river/web 3 processes, bounds 1 to 8")
	if r := run(t, environ, "pause", "for", "1h"); r.status != 0 {
		t.Fatal(r.stderr)
	}
	shows("(by alice)")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("top ended with %v, want status 0", err)
	}
	for s := range chunks {
		drawn.WriteString(s)
	}
	const restored = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	if !strings.HasSuffix(drawn.String(), restored) {
		t.Errorf("the terminal is not restored: %q", drawn.String()[max(0, drawn.Len()-100):])
	}
}

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}
