package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	gomail "github.com/wneessen/go-mail"
)

// maxReplies bounds what is read from a server over one connection.
const maxReplies = 1 << 20

var errReplies = errors.New("the server sent more than 1 MiB of replies")

// line is a connection to a server that is closed when a context ends. It is needed
// because the mail library respects its context only while it dials.
type line struct {
	conn net.Conn // below TLS, because closing a TLS connection can block
	stop func() bool
}

// dialer returns a func that connects to addr, with TLS from the start if config is not
// nil. ctx is the context of the whole delivery. The library's own context ends after the
// greetings.
func (l *line) dialer(ctx context.Context, addr string, config *tls.Config) gomail.DialContextFunc {
	return func(dialing context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		l.conn = conn
		l.stop = context.AfterFunc(ctx, func() { conn.Close() })
		bounded := &boundedConn{Conn: conn, left: maxReplies}
		if config == nil {
			return bounded, nil
		}
		secured := tls.Client(bounded, config)
		return secured, secured.HandshakeContext(dialing)
	}
}

func (l *line) close() {
	if l.conn != nil {
		l.stop()
		l.conn.Close()
	}
}

// boundedConn is a connection from which at most left bytes and one buffer are read.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errReplies
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}
