package traffic_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

var errSpy = errors.New("from the spy")

// spy has all optional interfaces, and remembers what was called last.
type spy struct {
	header http.Header
	called string
	from   io.Reader
}

func (s *spy) Header() http.Header               { return s.header }
func (s *spy) WriteHeader(int)                   { s.called = "WriteHeader" }
func (s *spy) Write([]byte) (int, error)         { s.called = "Write"; return 11, errSpy }
func (s *spy) WriteString(v string) (int, error) { s.called = "WriteString " + v; return 12, errSpy }

func (s *spy) ReadFrom(r io.Reader) (int64, error) {
	s.called, s.from = "ReadFrom", r
	return 13, errSpy
}
func (s *spy) Flush()                           { s.called = "Flush" }
func (s *spy) FlushError() error                { s.called = "FlushError"; return errSpy }
func (s *spy) CloseNotify() <-chan bool         { s.called = "CloseNotify"; return nil }
func (s *spy) SetReadDeadline(time.Time) error  { s.called = "SetReadDeadline"; return errSpy }
func (s *spy) SetWriteDeadline(time.Time) error { s.called = "SetWriteDeadline"; return errSpy }
func (s *spy) EnableFullDuplex() error          { s.called = "EnableFullDuplex"; return errSpy }

func (s *spy) Push(target string, _ *http.PushOptions) error {
	s.called = "Push " + target
	return errSpy
}

func (s *spy) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s.called = "Hijack"
	return nil, nil, errSpy
}

// optional are the interfaces in the order of the bits, each with a call of it that
// reports whether it came out as the spy answers.
var optional = []struct {
	name string
	call func(w http.ResponseWriter) (has, good bool)
}{
	{"Flush", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(http.Flusher)
		if ok {
			i.Flush()
		}
		return ok, true
	}},
	{"FlushError", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(interface{ FlushError() error })
		return ok, ok && i.FlushError() == errSpy
	}},
	{"Hijack", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(http.Hijacker)
		if !ok {
			return false, false
		}
		_, _, err := i.Hijack()
		return true, err == errSpy
	}},
	{"Push /x", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(http.Pusher)
		return ok, ok && i.Push("/x", nil) == errSpy
	}},
	{"ReadFrom", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(io.ReaderFrom)
		if !ok {
			return false, false
		}
		n, err := i.ReadFrom(strings.NewReader(""))
		return true, n == 13 && err == errSpy
	}},
	{"WriteString x", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(io.StringWriter)
		if !ok {
			return false, false
		}
		n, err := i.WriteString("x")
		return true, n == 12 && err == errSpy
	}},
	{"CloseNotify", func(w http.ResponseWriter) (bool, bool) {
		i, ok := w.(interface{ CloseNotify() <-chan bool })
		return ok, ok && i.CloseNotify() == nil
	}},
}

// Each wrapper has the methods of its set and no others, and passes each call on. What
// wraps it has the same.
func TestOptionalInterfaces(t *testing.T) {
	if traffic.Wrappers != 1<<len(optional) {
		t.Fatalf("%d wrappers for %d interfaces", traffic.Wrappers, len(optional))
	}
	for set := range traffic.Wrappers {
		for _, twice := range []bool{false, true} {
			s := &spy{header: http.Header{}}
			w := traffic.Wrapper(set, s)
			if twice {
				w = traffic.Wrapped(w)
			}
			for bit, o := range optional {
				s.called = ""
				has, good := o.call(w)
				if want := set>>bit&1 == 1; has != want || has && (!good || s.called != o.name) {
					t.Errorf("set %07b, twice %v: %s: has it %v, want %v; called %q", set, twice, o.name, has, want, s.called)
				}
			}
			if n, err := w.Write(nil); n != 11 || err != errSpy || s.called != "Write" {
				t.Errorf("set %07b: Write: %d, %v, called %q", set, n, err, s.called)
			}
			if w.WriteHeader(200); s.called != "WriteHeader" {
				t.Errorf("set %07b: WriteHeader: called %q", set, s.called)
			}
			if w.Header().Set("A", "b"); s.header.Get("A") != "b" {
				t.Errorf("set %07b: Header is another one", set)
			}
		}
	}
}

// What outer middleware hides can be reached as before, by the controller.
func TestController(t *testing.T) {
	for _, tt := range []struct {
		name  string
		inner func(s *spy) http.ResponseWriter
	}{
		{"at once", func(s *spy) http.ResponseWriter { return s }},
		{"hidden", func(s *spy) http.ResponseWriter { return hiding{s} }},
		{"hidden twice", func(s *spy) http.ResponseWriter { return hiding{hiding{s}} }},
		{"partly hidden", func(s *spy) http.ResponseWriter { return flushing{hiding{s}, s} }},
	} {
		s := &spy{header: http.Header{}}
		c := http.NewResponseController(traffic.Wrapped(tt.inner(s)))
		for want, f := range map[string]func() error{
			"FlushError":       c.Flush,
			"Hijack":           func() error { _, _, err := c.Hijack(); return err },
			"SetReadDeadline":  func() error { return c.SetReadDeadline(time.Time{}) },
			"SetWriteDeadline": func() error { return c.SetWriteDeadline(time.Time{}) },
			"EnableFullDuplex": c.EnableFullDuplex,
		} {
			s.called = ""
			if err := f(); err != errSpy || s.called != want {
				t.Errorf("%s: %s: %v, called %q", tt.name, want, err, s.called)
			}
		}
	}
	c := http.NewResponseController(traffic.Wrapped(discard{http.Header{}}))
	if err := c.Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Flush: %v", err)
	}
	c = http.NewResponseController(traffic.Wrapped(hiding{discard{http.Header{}}}))
	if err := c.Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Flush, hidden: %v", err)
	}
	if _, _, err := c.Hijack(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Hijack, hidden: %v", err)
	}
}

// hiding is middleware that has only what every ResponseWriter has.
type hiding struct{ http.ResponseWriter }

func (h hiding) Unwrap() http.ResponseWriter { return h.ResponseWriter }

type flushing struct {
	hiding
	errorFlusher
}

type errorFlusher interface{ FlushError() error }

// An answer that is sent through what outer middleware hides is seen at once.
func TestHiddenAnswers(t *testing.T) {
	t.Run("event stream", func(t *testing.T) {
		tr, done := traffic.New(nil), make(chan struct{})
		h := tr.Handler(eventStream(done))
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(hiding{w}, r) }))
		defer s.Close()
		res := do(t, s.Client(), "GET", s.URL, nil)
		counted(t, tr, 0, 0)
		close(done)
		io.ReadAll(res.Body)
	})
	t.Run("hijack", func(t *testing.T) {
		tr, ended := traffic.New(nil), make(chan struct{})
		h := tr.Handler(shout(t, ended))
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(hiding{w}, r) }))
		defer s.Close()
		res := do(t, s.Client(), "GET", s.URL, nil, "Connection", "Upgrade", "Upgrade", "websocket")
		counted(t, tr, 0, 0)
		res.Body.Close()
		<-ended
	})
}

// A file reaches the server as a file, which then sends it without copying it.
func TestSendfile(t *testing.T) {
	f, err := os.Open("writer_test.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &spy{header: http.Header{}}
	io.Copy(traffic.Wrapped(s), struct{ io.Reader }{f})
	if got, ok := s.from.(struct{ io.Reader }); !ok || got.Reader != io.Reader(f) {
		t.Errorf("ReadFrom was given a %T", s.from)
	}
}
