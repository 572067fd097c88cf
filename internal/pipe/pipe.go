// Package pipe is a network in memory, so that a server and its clients can run in a
// testing/synctest bubble.
package pipe

import (
	"context"
	"net"
	"sync"
)

// A Listener accepts connections made in memory by its own Dial.
type Listener struct {
	addr  addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen returns a Listener. Its host should be a name that no resolver knows, such as
// "herokutest.invalid", so that a client which does not use Dial fails instead of reaching
// somebody else.
func Listen(host string) *Listener {
	return &Listener{addr: addr(host), conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for a Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends all that wait in Accept and Dial. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the host.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects to the Listener, whatever the address.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type addr string

func (a addr) Network() string { return "pipe" }
func (a addr) String() string  { return string(a) }
