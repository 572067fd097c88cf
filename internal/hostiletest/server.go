package hostiletest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// A Behavior is what a server does with a connection on which a request came. It may
// go on until ctx ends.
type Behavior struct {
	Name string
	TLS  bool // it needs a connection with TLS
	H2   bool // it speaks HTTP/2, which implies TLS
	Do   func(ctx context.Context, conn net.Conn)

	// Raw is set if Do is called before the request, and before the TLS handshake.
	Raw bool
}

// A Server shows one Behavior on each connection.
type Server struct {
	URL  string
	stop context.CancelFunc
	l    net.Listener
	wg   sync.WaitGroup
}

// Certificate returns the certificate of all servers, for 127.0.0.1.
func Certificate() tls.Certificate { return certificate() }

var certificate = sync.OnceValue(func() tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates[0]
})

// Serve starts a server. The caller must close it.
func Serve(b Behavior) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("hostiletest: listen on the loopback interface: " + err.Error())
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{URL: "http://" + l.Addr().String(), stop: stop, l: l}
	if b.TLS || b.H2 {
		s.URL = "https://" + l.Addr().String()
	}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				b.serve(ctx, conn)
			})
		}
	})
	return s
}

// Close ends all connections and waits until they have ended.
func (s *Server) Close() {
	s.stop()
	s.l.Close()
	s.wg.Wait()
}

func (b Behavior) serve(ctx context.Context, conn net.Conn) {
	if b.Raw {
		b.Do(ctx, conn)
		return
	}
	if b.TLS || b.H2 {
		config := &tls.Config{Certificates: []tls.Certificate{Certificate()}}
		if b.H2 {
			config.NextProtos = []string{"h2"}
		}
		t := tls.Server(conn, config)
		if t.HandshakeContext(ctx) != nil {
			return
		}
		conn = t
	}
	if b.H2 {
		if !startH2(conn) {
			return
		}
	} else if !readRequest(conn) {
		return
	}
	b.Do(ctx, conn)
}

// readRequest reads the headers of a request. The body may stay unread.
func readRequest(conn net.Conn) bool {
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if strings.TrimSpace(line) == "" {
			return true
		}
	}
}

// Frames of HTTP/2, RFC 9113, section 6.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagEndHeaders = 0x4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// startH2 reads a client's preface and its frames up to the first HEADERS.
func startH2(conn net.Conn) bool {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	got := make([]byte, len(preface))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != preface {
		return false
	}
	if _, err := conn.Write(frame(frameSettings, 0, 0, nil)); err != nil {
		return false
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return false
		}
		n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return false
		}
		if head[3] == frameHeaders {
			return true
		}
	}
}

// field encodes a header field without an index, RFC 7541, section 6.2.2. Both strings
// must be shorter than 127 bytes.
func field(name, value string) []byte {
	var b bytes.Buffer
	b.WriteByte(0)
	b.WriteByte(byte(len(name)))
	b.WriteString(name)
	b.WriteByte(byte(len(value)))
	b.WriteString(value)
	return b.Bytes()
}

// send returns a behavior that writes text and closes the connection.
func send(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, conn net.Conn) { io.WriteString(conn, text) }
}

// sendAndHang returns a behavior that writes text and then nothing.
func sendAndHang(text string) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		io.WriteString(conn, text)
		<-ctx.Done()
	}
}

// repeat returns a behavior that writes head, and then text until the client leaves.
func repeat(head, text string, pause time.Duration) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		_, err := io.WriteString(conn, head)
		for err == nil {
			if pause > 0 {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return
				}
			}
			_, err = io.WriteString(conn, text)
		}
	}
}
