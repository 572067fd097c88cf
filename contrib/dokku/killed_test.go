package dokku_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/dokku"
)

// A wire carries connections to a server, and cuts them.
type wire struct {
	addr string
	mu   sync.Mutex
	open []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, near, far)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(near, far); near.Close() }()
			go func() { _, _ = io.Copy(far, near); far.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
}

// A connection that is cut while an order is carried out is an error, once, also if it is
// cut after Scale has returned. It is no order that was refused, and the next one is given.
func TestCutConnections(t *testing.T) {
	for _, after := range []bool{false, true} {
		s := startServer(t)
		w := newWire(t, s.addr)
		scaler := dokku.NewClient(w.addr, s.key, s.hostKey, &dokku.Options{User: s.user}).Scaler("shop", "web")
		s.set("slow", true)
		dokku.RefuseWithin(t, map[bool]time.Duration{false: time.Minute, true: 100 * time.Millisecond}[after])
		failed := make(chan error, 1)
		go func() { failed <- scaler.Scale(t.Context(), 3) }()
		s.until(t, "an order arrives", func() bool { return len(s.orders()) > 0 })
		var err error
		if after {
			if err := <-failed; err != nil {
				t.Fatalf("an order that goes on: %v", err)
			}
		}
		w.cut()
		if !after {
			err = <-failed
		}
		for end := time.Now().Add(time.Minute); err == nil && time.Now().Before(end); {
			_, err = scaler.Capacity(t.Context())
		}
		var busy *autoscale.BusyError
		if err == nil || errors.As(err, &busy) || !strings.Contains(err.Error(), "dokku: scale to 3: web of app shop: the connection ended before the command did") {
			t.Errorf("cut after Scale has returned %v: %v", after, err)
		}
		s.set("slow", false)
		if c, err := scaler.Capacity(t.Context()); err != nil || c.Desired != 3 || c.Deploying {
			t.Errorf("after it: %+v, %v", c, err)
		}
		if err := scaler.Scale(t.Context(), 1); err != nil {
			t.Errorf("the next order: %v", err)
		}
		s.ordered(t, "3", "1")
	}
}
