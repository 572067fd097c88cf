package hostiletest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"
)

// A Stage is one step of a conversation: the server reads until it has seen Until, or
// anything if that is empty, and then sends Reply.
type Stage struct {
	Name, Until, Reply string
	Handshake          bool // the server begins TLS instead
}

// First is the Until of a stage in which the server speaks first.
const First = "\x00first"

// An Act is what a server does instead of a reply, until the client leaves or ctx ends.
type Act struct {
	Name string
	Do   func(ctx context.Context, conn net.Conn)
}

// Once returns the act of sending text and then nothing.
func Once(name, text string) Act { return Act{name, sendAndHang(text)} }

// Endless returns the act of sending text again and again.
func Endless(name, text string) Act { return Act{name, repeat("", text, 0)} }

// Slow returns the act of sending text byte by byte, and then nothing.
func Slow(name, text string) Act {
	return Act{name, func(ctx context.Context, conn net.Conn) {
		for i := range len(text) {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return
			}
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
		}
		<-ctx.Done()
	}}
}

// Scripts returns the behaviors of a server of any protocol that goes wrong at each stage
// of a conversation, in each way that is wrong in all protocols, and in more. The replies
// of the stages before are right.
func Scripts(stages []Stage, more ...Act) []Behavior {
	var all []Behavior
	for i, stage := range stages {
		for _, w := range append(more, wrong...) {
			all = append(all, Behavior{Name: stage.Name + ": " + w.Name, Raw: true, Do: func(ctx context.Context, conn net.Conn) {
				for _, s := range stages[:i] {
					if !read(conn, s.Until) {
						return
					}
					if !s.Handshake {
						io.WriteString(conn, s.Reply)
						continue
					}
					secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{Certificate()}})
					if secured.HandshakeContext(ctx) != nil {
						return
					}
					conn = secured
				}
				if read(conn, stage.Until) {
					w.Do(ctx, conn)
				}
			}})
		}
	}
	return all
}

// wrong is wrong in all protocols.
var wrong = []Act{
	{"silence", sendAndHang("")},
	{"close", send("")},
	{"reset", reset},
	{"half closed", func(ctx context.Context, conn net.Conn) {
		conn.(interface{ CloseWrite() error }).CloseWrite()
		<-ctx.Done()
	}},
	{"slow bytes", repeat("", "2", 20*time.Millisecond)},
	{"slow lines", repeat("", "250-slow\r\n", 20*time.Millisecond)},
	{"an endless line", repeat("220 ", long, 0)},
	{"endless lines", repeat("", "250-"+strings.Repeat("a", 1000)+"\r\n", 0)},
	{"endless zeros", repeat("", strings.Repeat("\x00", 1<<10), 0)},
	{"a long error and close", send("550 " + long + "\r\n")},
	{"a long error and silence", sendAndHang("-ERR " + long + "\r\n")},
	{"HTTP", send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")},
	{"a TLS alert", send("\x15\x03\x03\x00\x02\x02\x28")},
	{"half a number", sendAndHang("22")},
	{"a status that is none", sendAndHang("abc def\r\n")},
	{"a status of 999", sendAndHang("999 odd\r\n")},
}

// read reads until text has come.
func read(conn net.Conn, text string) bool {
	if text == First {
		return true
	}
	var got []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		if got = append(got, buf[:n]...); strings.Contains(string(got), text) {
			return true
		}
	}
}
