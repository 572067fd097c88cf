package probe

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// tracer notes the moments of one request. net/http calls the hooks on several
// goroutines, and even after the request has ended.
type tracer struct {
	mu        sync.Mutex
	resolving bool
	dials     map[string]time.Time // by address, because two may be tried at the same time
	roundTrip *time.Duration       // nil: this request made no connection
	got       time.Time            // when there was a connection
	wrote     time.Time
	first     time.Time
}

func (t *tracer) hooks() *httptrace.ClientTrace {
	note := func(at *time.Time) {
		t.mu.Lock()
		defer t.mu.Unlock()
		*at = time.Now()
	}
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { t.lookUp(true) },
		DNSDone:  func(i httptrace.DNSDoneInfo) { t.lookUp(i.Err != nil) },
		ConnectStart: func(_, addr string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.dials == nil {
				t.dials = make(map[string]time.Time, 2)
			}
			t.dials[addr] = time.Now()
		},
		ConnectDone: func(_, addr string, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if start, ok := t.dials[addr]; ok && err == nil {
				took := time.Since(start)
				t.roundTrip = &took
			}
		},
		// If the server had closed the first connection, a request is sent again on
		// another. Then the later moments are noted.
		GotConn:              func(httptrace.GotConnInfo) { note(&t.got) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { note(&t.wrote) },
		GotFirstResponseByte: func() { note(&t.first) },
	}
}

func (t *tracer) lookUp(resolving bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.resolving = resolving
}

// looksUp reports whether the name is still being resolved.
func (t *tracer) looksUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resolving
}

// waited returns the time from when the request was written to the first byte of
// the answer, and how long it took to make the connection.
func (t *tracer) waited() (wait time.Duration, ok bool, roundTrip *time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The answer to a small request can be read before the goroutine that wrote
	// it gets to say so.
	wrote := t.wrote
	if wrote.IsZero() || wrote.After(t.first) {
		wrote = t.got
	}
	if wrote.IsZero() || t.first.IsZero() {
		return 0, false, t.roundTrip
	}
	return t.first.Sub(wrote), true, t.roundTrip
}

// split adds to s where the time went.
func (p *HTTP) split(s autoscale.Sample, header http.Header, t *tracer) (autoscale.Sample, error) {
	wait, known, roundTrip := t.waited()
	if roundTrip != nil {
		p.roundTrip.Store(roundTrip)
	} else {
		roundTrip = p.roundTrip.Load()
	}
	known = known && roundTrip != nil
	handler, reported := handlerTime(header)
	if handler > s.Latency {
		handler, reported = 0, false
	}
	var queue time.Duration
	if known {
		queue = max(wait-*roundTrip-handler, 0)
	}
	if reported && p.Split {
		s.Signals |= autoscale.SignalServiceTime
		s.ServiceTime = handler
	}
	if reported && known && p.Split {
		s.Signals |= autoscale.SignalQueueTime
		s.QueueTime = queue
	}
	if p.ServerLatency && s.Failure == autoscale.NoFailure {
		if !known {
			return autoscale.Sample{}, errors.New("probe.HTTP.ServerLatency needs the round trip, which is not known: give a Client whose transport dials with a net.Dialer and makes its own connections, or none")
		}
		s.Latency = queue + handler
	}
	return s, nil
}

// handlerTime returns the duration of the first metric "total" in Server-Timing,
// which is in milliseconds: https://www.w3.org/TR/server-timing/.
// It ignores other metrics: those of checks may overlap, and proxies add their own.
func handlerTime(header http.Header) (time.Duration, bool) {
	const most = float64(1 << 40) // milliseconds that a Duration can hold
	for _, rest := range header.Values("Server-Timing") {
		for rest != "" {
			var metric string
			metric, rest = cutUnquoted(rest, ',')
			name, params := cutUnquoted(metric, ';')
			if strings.TrimSpace(name) != "total" {
				continue
			}
			for params != "" {
				var param string
				param, params = cutUnquoted(params, ';')
				key, value, _ := strings.Cut(param, "=")
				if !strings.EqualFold(strings.TrimSpace(key), "dur") {
					continue
				}
				ms, err := strconv.ParseFloat(strings.Trim(strings.TrimSpace(value), `"`), 64)
				if err != nil || !(ms >= 0 && ms < most) {
					return 0, false
				}
				return time.Duration(ms * float64(time.Millisecond)), true
			}
			return 0, false
		}
	}
	return 0, false
}

// cutUnquoted cuts s at the first sep that is not in a quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
