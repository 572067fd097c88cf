package outbound_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"a\nb\tc\x1b[31m":          "a b c [31m",
		"a\u202eb\u2028c":          "a b c",
		"\xff\xfe":                 "?",
		strings.Repeat("a", 200):   strings.Repeat("a", 200),
		strings.Repeat("a", 201):   strings.Repeat("a", 197) + "…",
		strings.Repeat("é", 5000):  strings.Repeat("é", 98) + "…",
		strings.Repeat("\n", 9000): "…",
	} {
		got := outbound.Text(text)
		if got != want || len(got) > outbound.MaxText || !utf8.ValidString(got) {
			t.Errorf("Text(%.20q…) = %q, want %q", text, got, want)
		}
		if again := outbound.Text(got); again != got {
			t.Errorf("Text(%q) = %q", got, again)
		}
	}
}

func TestKindOf(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		err  error
		want outbound.Kind
	}{
		{nil, outbound.Malformed},
		{errors.New("odd"), outbound.Malformed},
		{&net.DNSError{Name: "a", IsTimeout: true}, outbound.Name},
		{context.DeadlineExceeded, outbound.Timeout},
		{syscall.ETIMEDOUT, outbound.Timeout},
		{syscall.ECONNREFUSED, outbound.Refused},
		{syscall.ECONNRESET, outbound.Reset},
		{syscall.EPIPE, outbound.Reset},
		{io.ErrUnexpectedEOF, outbound.Closed},
		{tls.RecordHeaderError{Msg: "x"}, outbound.TLS},
		{x509.UnknownAuthorityError{}, outbound.Certificate},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("%s: %w", long, tt.err)} {
			if tt.err == nil {
				continue
			}
			if got := outbound.KindOf(err); got != tt.want {
				t.Errorf("KindOf(%.40v) = %v, want %v", err, got, tt.want)
			}
			clean := outbound.Clean(err)
			if got := outbound.KindOf(clean); got != tt.want || len(clean.Error()) > outbound.MaxText {
				t.Errorf("KindOf(Clean(%.40v)) = %v, want %v", err, got, tt.want)
			}
			if errors.Is(err, context.DeadlineExceeded) && !errors.Is(clean, context.DeadlineExceeded) {
				t.Errorf("Clean(%.40v) is no longer a deadline", err)
			}
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// overdue is the context of a process that was frozen past its deadline.
type overdue struct{ context.Context }

func (overdue) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

func TestWrap(t *testing.T) {
	sent := 0
	answer := func(res *http.Response, err error) http.RoundTripper {
		return outbound.Wrap(roundTripper(func(*http.Request) (*http.Response, error) { sent++; return res, err }))
	}
	get := func(ctx context.Context) *http.Request {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	if _, err := answer(nil, nil).RoundTrip(get(t.Context())); err == nil {
		t.Error("no answer and no error are an answer")
	}
	sent = 0
	if _, err := answer(nil, nil).RoundTrip(get(overdue{t.Context()})); !errors.Is(err, context.DeadlineExceeded) || sent != 0 {
		t.Errorf("after the deadline: %v, sent %d", err, sent)
	}
	for _, status := range []int{0, 100, 101, 199} {
		r, w := io.Pipe()
		if _, err := answer(&http.Response{StatusCode: status, Body: r}, nil).RoundTrip(get(t.Context())); err == nil {
			t.Errorf("status %d is an answer", status)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("status %d: the body was not closed", status)
		}
	}
	big := http.Header{"A": {strings.Repeat("a", outbound.MaxHeader)}}
	if _, err := answer(&http.Response{StatusCode: 200, Header: big, Body: http.NoBody}, nil).RoundTrip(get(t.Context())); err == nil {
		t.Error("large headers are an answer")
	}
	for location, want := range map[string]string{
		"https://u:p@example.com/a?token=b#c": "https://example.com/a",
		"/a":                                  "/a",
		"http://[":                            "",
		strings.Repeat("a", 1000):             "",
	} {
		res, err := answer(&http.Response{StatusCode: 302, Header: http.Header{"Location": {location}}, Body: http.NoBody}, nil).RoundTrip(get(t.Context()))
		if err != nil || res.Header.Get("Location") != want {
			t.Errorf("Location %.40q: %v, want %q", location, err, want)
		}
	}

	// A body ends with its context, even one that a transport of the host's own made.
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := io.Pipe()
	res, err := answer(&http.Response{StatusCode: 200, Body: r}, nil).RoundTrip(get(ctx))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := res.Body.Read(make([]byte, 1)); err == nil {
		t.Error("the body went on after its context")
	}
	res.Body.Close()
}
