package servertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands before a server and can swallow all that is sent through it,
// as a network does that drops packets: nothing is refused or closed, and
// nothing is answered.
type proxy struct {
	Addr string

	target   string
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	hangs  bool
	closed bool
	conns  map[net.Conn]bool
}

// newProxy starts a proxy before the server at target, until the test ends.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Addr: l.Addr().String(), target: target, listener: l, conns: make(map[net.Conn]bool)}
	p.done.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// Hang swallows everything from now on, on connections old and new.
func (p *proxy) Hang(hangs bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs = hangs
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.done.Go(func() { p.pipe(client, server) })
		p.done.Go(func() { p.pipe(server, client) })
	}
}

// keep remembers connections, to close them in the end.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.closed
}

// pipe copies until either side closes.
func (p *proxy) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		hangs := p.hangs
		p.mu.Unlock()
		if hangs {
			io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}
