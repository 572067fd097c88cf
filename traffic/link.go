package traffic

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// A link stands in for a ResponseWriter that [http.ResponseController] would unwrap.
// It does what the controller would do, and so sees when an answer is flushed or
// hijacked.
type link struct{ *answer }

func (l *link) Unwrap() http.ResponseWriter { return l.inner }

func (l *link) FlushError() error {
	l.decide(http.StatusOK)
	return l.inside().Flush()
}

func (l *link) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := l.inside().Hijack()
	if err == nil {
		l.leave()
	}
	return conn, rw, err
}

func (l *link) SetReadDeadline(t time.Time) error  { return l.inside().SetReadDeadline(t) }
func (l *link) SetWriteDeadline(t time.Time) error { return l.inside().SetWriteDeadline(t) }
func (l *link) EnableFullDuplex() error            { return l.inside().EnableFullDuplex() }

func (l *link) inside() *http.ResponseController { return http.NewResponseController(l.inner) }
