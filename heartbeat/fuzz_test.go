package heartbeat_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// Whatever the header says, the checks have some time, never more than the
// handler's own, and no more than the header says where it says enough.
func FuzzTimeoutHeader(f *testing.F) {
	for _, seed := range []string{"", "1000", "0", "-1", "+1", "1e9", "99999999999999999999", "2147483648", " 5", "５"} {
		f.Add(seed)
	}
	const own = 10 * time.Second
	f.Fuzz(func(t *testing.T, value string) {
		var left time.Duration
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Timeout(own), heartbeat.Check("deadline", func(ctx context.Context) error {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("no deadline")
			}
			left = time.Until(deadline)
			return nil
		}))
		start := time.Now()
		w := get(h, "Autoscale-Timeout-Ms: "+value)
		lost := time.Since(start) // on a busy machine
		if w.Code != http.StatusOK {
			t.Fatalf("status %d", w.Code)
		}
		if left > own || left+lost < 10*time.Millisecond {
			t.Errorf("%q left the checks %v of %v", value, left, own)
		}
		ms, err := strconv.Atoi(value) // below 500 a stranger gets as long as for 500
		if err == nil && ms >= 500 && ms < 1<<31 && !strings.HasPrefix(value, "+") && left >= time.Duration(ms)*time.Millisecond {
			t.Errorf("%q left the checks %v, too much for the answer to be in time", value, left)
		}
	})
}

// No Authorization but the very token lets anybody in.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer token", "bearer  t0ken", "Basic t0ken", "Bearer t0ken ", "Bearer t0ken\x00"} {
		f.Add(seed)
	}
	h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Token("t0ken"), heartbeat.Check("none", succeed))
	f.Fuzz(func(t *testing.T, value string) {
		want := http.StatusNotFound
		if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "bearer") && token == "t0ken" {
			want = http.StatusOK
		}
		if w := get(h, "Authorization: "+value); w.Code != want {
			t.Errorf("Authorization %q is answered by %d, want %d", value, w.Code, want)
		}
	})
}

// A URL's password never reaches the log, whatever stands around it.
func FuzzLog(f *testing.F) {
	f.Add("dial ", "app", "db.internal/app: refused")
	f.Add(`parse "`, "", `@:/?@": bad`)
	f.Add("a://b@c?d", "=", "://")
	f.Fuzz(func(t *testing.T, before, user, after string) {
		const password = "Hunter2-Hunter2"
		if strings.ContainsAny(user, " \t\r\n\v\f") || strings.Contains(before+user+after, password) {
			t.Skip("no URL, or the password stands elsewhere")
		}
		log, logger := newLog()
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(logger), heartbeat.Check("db", func(context.Context) error {
			return errors.New(before + "postgres://" + user + ":" + password + "@" + after)
		}))
		wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
		if strings.Contains(log.String(), password) {
			t.Errorf("the password is logged: %s", log)
		}
	})
}

// FuzzRequest reads any bytes as a request. The answer is one of a few, short, and without
// what the request said.
func FuzzRequest(f *testing.F) {
	const path = "/autoscalebot/heartbeat/"
	for _, seed := range []string{
		"GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST " + path + " HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
		"GET /other?token=t0ken HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD " + path + "%00 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t0ken\r\n\r\n",
		"GET " + path + " HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("Autoscale-Timeout-Ms: 1\r\nAuthorization: Bearer x\r\n", 500) + "\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nAutoscale-Timeout-Ms: \x1b[31m\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	answers := map[int]bool{200: true, 404: true, 405: true, 503: true}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, closed := range []bool{false, true} {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
			if err != nil {
				return
			}
			token := heartbeat.MaxConcurrent(4)
			if closed {
				token = heartbeat.Token("t0ken")
			}
			w := do(heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Check("none", succeed), token), r)
			if !answers[w.Code] || w.Body.Len() > 200 {
				t.Errorf("%d, %d bytes: %.300q", w.Code, w.Body.Len(), w.Body)
			}
			if w.Code == http.StatusOK && closed && !bytes.Contains(raw, []byte("t0ken")) {
				t.Error("let in without the token")
			}
		}
	})
}
