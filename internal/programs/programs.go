// Package programs starts the programs that tests talk to.
package programs

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
)

// Missing skips a test because of what the machine lacks, or fails it if the environment
// variable AUTOSCALE_TEST_REQUIRE is 1. It does not return.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("AUTOSCALE_TEST_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// FreePort returns a port of 127.0.0.1 on which nobody listens now. Somebody else may take it
// before a program does, but not by chance: the kernel gives a listener of port 0, as those of
// other tests, a port above these.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := 15000 + rand.N(17000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal(err)
	return 0
}

// FreeAddress returns 127.0.0.1 with a FreePort.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}

// Start starts a program, waits for it on a goroutine of its own, and closes ended when it
// has ended. On Linux the program is killed when this process ends, however that ends.
func Start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		confine(cmd)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it was killed, or its output says more
		}
	}()
	return done, <-started
}
