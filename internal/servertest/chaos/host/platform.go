//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/autoscalebot/autoscale/heroku"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

// order is one call of Scale, and the term in which it was made.
type order struct {
	term  int64
	until time.Time
	given int64 // when the client gave it to the network
	size  int
}

type orderKey struct{}

// scaler is the scaler under trial. It notes the term in which it is called.
type scaler struct {
	*heroku.Scaler
	elector *elector
	trap    *trap
}

func (s *scaler) Scale(ctx context.Context, size int) error {
	o := order{size: size}
	if term, leads := s.elector.Elector.Current(); leads {
		o.term, o.until = term.Number, term.Until
	}
	s.trap.spring(beforeOrder)
	return s.Scaler.Scale(context.WithValue(ctx, orderKey{}, o), size)
}

// platform carries requests. It writes into the journal when an order begins to be
// written to its connection, and until when the process trusts itself then.
type platform struct {
	*http.Transport
	host    string
	elector *elector
	journal *journal.Journal
	trap    *trap

	last   atomic.Int64
	orders sync.Map // by id, those under way
}

func newPlatform(host string, e *elector, t *trap) *platform {
	p := &platform{Transport: http.DefaultTransport.(*http.Transport).Clone(), host: host, elector: e, journal: e.journal, trap: t}
	dial := p.DialContext
	p.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &line{c, p}, nil
	}
	return p
}

func (p *platform) RoundTrip(req *http.Request) (*http.Response, error) {
	o, ok := req.Context().Value(orderKey{}).(order)
	if !ok {
		return p.Transport.RoundTrip(req)
	}
	o.given = p.journal.Now()
	id := fmt.Sprintf("%s/%d", p.host, p.last.Add(1))
	p.orders.Store(id, o)
	defer p.orders.Delete(id)
	req = req.Clone(req.Context())
	req.Header.Set("X-Sender", fmt.Sprintf("%s/term=%d trust=%v order=%s", p.host, o.term, time.Until(o.until).Round(time.Millisecond), id))
	return p.Transport.RoundTrip(req)
}

// begin notes that an order goes onto the network next.
func (p *platform) begin(id string) {
	at := p.journal.Now()
	l := journal.Line{What: journal.Ordered, At: at, ID: id}
	if v, ok := p.orders.Load(id); ok {
		o := v.(order)
		if term, leads := p.elector.Elector.Current(); leads && term.Number == o.term {
			o.until = term.Until // it was renewed since
		}
		l.Term, l.To, l.Given = o.term, o.size, o.given
		if o.term != 0 {
			l.Until = p.journal.At(o.until)
		}
	}
	p.journal.Add(l)
	p.trap.spring(inFlight)
}

// line is a connection to the platform. A request without much of a body is
// written at once.
type line struct {
	net.Conn
	platform *platform
}

var orderID = regexp.MustCompile(`(?s)^PATCH .*\r\nX-Sender: [^\r]* order=([^\r]+)\r\n`)

func (l *line) Write(data []byte) (int, error) {
	if m := orderID.FindSubmatch(data); m != nil {
		l.platform.begin(string(m[1]))
	}
	return l.Conn.Write(data)
}

// Where a trap can be.
const (
	beforeOrder = "order"  // the process is sure that it leads, and about to order
	inFlight    = "flight" // the order is being written, and nothing keeps it from that any more
)

// trap stops the process, once, at a place where a signal from outside would
// hardly ever find it. Somebody else has to continue it.
type trap struct {
	journal *journal.Journal
	at      atomic.Value // string
}

func (t *trap) spring(at string) {
	if !t.at.CompareAndSwap(at, "") {
		return
	}
	t.journal.Add(journal.Line{What: journal.Frozen, Detail: at})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// To this very thread, so that it goes no further.
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGSTOP))
}
