//go:build linux

package chaos_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A network is what a proxy does with the connections through it.
type network int

const (
	whole     network = iota
	cut               // connections are reset, and new ones too
	blackHole         // nothing passes, until later; nobody is told
	slow              // everything passes late
)

// A proxy stands between one process and one server.
type proxy struct {
	addr   string
	target string
	wg     sync.WaitGroup
	l      net.Listener

	mu      sync.Mutex // guards what follows
	closed  bool
	network network
	late    time.Duration // by how much, when slow
	changed chan struct{} // closed when the network changes
	conns   map[*net.TCPConn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: target, l: l, changed: make(chan struct{}), conns: make(map[*net.TCPConn]bool)}
	p.wg.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// become changes the network.
func (p *proxy) become(n network, late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.late = n, late
	close(p.changed)
	p.changed = make(chan struct{})
	if n == cut {
		p.reset()
	}
}

func (p *proxy) close() {
	p.l.Close()
	p.mu.Lock()
	p.closed = true
	p.reset()
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	p.wg.Wait()
}

// reset ends every connection, with a RST. The caller holds the lock.
func (p *proxy) reset() {
	for c := range p.conns {
		c.SetLinger(0)
		c.Close()
	}
}

// keep notes a connection, and reports whether it may live.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	tcp := c.(*net.TCPConn)
	if p.closed || p.network == cut {
		tcp.SetLinger(0)
		tcp.Close()
		return false
	}
	p.conns[tcp] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Close()
	delete(p.conns, c.(*net.TCPConn))
}

func (p *proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		if p.keep(c) {
			p.wg.Go(func() { p.forward(c) })
		}
	}
}

func (p *proxy) forward(client net.Conn) {
	defer p.drop(client)
	if !p.pass() {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copy(client, server)
	}()
	p.copy(server, client)
	<-done
}

// copy carries bytes one way, the end of the stream included.
func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && (!p.pass() || !sendAll(to, buf[:n])) || err != nil && err != io.EOF {
			from.Close()
			to.Close()
			return
		}
		if err == io.EOF {
			if p.pass() {
				to.(*net.TCPConn).CloseWrite()
			}
			return
		}
	}
}

func sendAll(to net.Conn, data []byte) bool {
	_, err := to.Write(data)
	return err == nil
}

// pass waits for as long as the network holds things up, and reports whether
// there is a way.
func (p *proxy) pass() bool {
	waited := false
	for {
		p.mu.Lock()
		network, late, changed, closed := p.network, p.late, p.changed, p.closed
		p.mu.Unlock()
		switch {
		case closed || network == cut:
			return false
		case network == whole || network == slow && waited:
			return true
		case network == slow:
			timer := time.NewTimer(late)
			select {
			case <-timer.C:
			case <-changed:
				timer.Stop()
			}
			waited = true
		default:
			<-changed
		}
	}
}
