package email_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/notify/email"
)

// bubble calls f where time passes at once while nobody works. The servers of a
// test, which are started outside, count as work.
func bubble(t *testing.T, f func(ctx context.Context) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { err = f(t.Context()) })
	return err
}

// within fails the test where f does not return. It guards against hanging, and
// says nothing about how long f may take.
func within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it does not return")
		return nil
	}
}

func TestDelivers(t *testing.T) {
	serverTLS, clientTLS := certificates(t)
	for name, tc := range map[string]struct {
		server *smtpServer
		scheme string
		login  string
		query  string
		tls    bool
		user   string
	}{
		"plain on this machine": {&smtpServer{}, "smtp", "", "", false, ""},
		"not asked for TLS":     {&smtpServer{config: serverTLS}, "smtp", "", "", false, ""},
		"STARTTLS":              {&smtpServer{config: serverTLS}, "smtp", "", "?tls=required", true, ""},
		"TLS":                   {&smtpServer{config: serverTLS, implicit: true}, "smtps", "", "", true, ""},
		"TLS required":          {&smtpServer{config: serverTLS, implicit: true}, "smtps", "", "/?tls=required", true, ""},
		"PLAIN":                 {&smtpServer{features: []string{"AUTH LOGIN PLAIN"}, password: "p@ss"}, "smtp", "me%40example.com:p%40ss@", "", false, "me@example.com"},
		"LOGIN":                 {&smtpServer{features: []string{"AUTH LOGIN"}, password: "secret"}, "smtp", "me:secret@", "", false, "me"},
		"STARTTLS and PLAIN":    {&smtpServer{config: serverTLS, features: []string{"AUTH PLAIN"}, password: "secret"}, "smtp", "me:secret@", "?tls=required", true, "me"},
		"TLS and LOGIN":         {&smtpServer{config: serverTLS, implicit: true, features: []string{"AUTH LOGIN"}, password: "secret"}, "smtps", "me:secret@", "", true, "me"},
		"TLS and PLAIN":         {&smtpServer{config: serverTLS, implicit: true, features: []string{"AUTH PLAIN"}, password: "secret"}, "smtps", "me:secret@", "", true, "me"},
		"8BITMIME and SMTPUTF8": {&smtpServer{features: []string{"8BITMIME", "SMTPUTF8", "SIZE 1000000"}}, "smtp", "", "", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.server.start(t)
			c := config(s, tc.scheme, tc.login, tc.query)
			c.TLS = clientTLS
			n := email.New(c)
			if err := validate(n); err != nil {
				t.Fatal(err)
			}
			if err := n.Notify(t.Context(), scaled()); err != nil {
				t.Fatal(err)
			}
			got := s.taken()
			if len(got) != 1 {
				t.Fatalf("%d mails were taken", len(got))
			}
			from, _, _ := strings.Cut(got[0].from, " ")
			if diff := cmp.Diff(delivery{"FROM:<auto@example.com>", []string{"TO:<ops@example.com>"}, got[0].text, tc.tls, tc.user},
				delivery{from, got[0].to, got[0].text, got[0].tls, got[0].user}, cmp.AllowUnexported(delivery{})); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got[0].from, "SMTPUTF8") {
				t.Error("SMTPUTF8 was asked for without need")
			}
			if !strings.HasPrefix(s.heard(), "EHLO client.example.com\n") {
				t.Errorf("introduced itself by %q", s.heard())
			}
			if clientTLS.ServerName != "" {
				t.Error("the host's own tls.Config was changed")
			}
		})
	}
}

func TestAsksForSMTPUTF8WhereAddressesNeedIt(t *testing.T) {
	s := (&smtpServer{features: []string{"SMTPUTF8"}}).start(t)
	c := config(s, "smtp", "", "")
	c.To = []string{"jürgen@example.com"}
	if err := email.New(c).Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if got := s.taken()[0]; !strings.HasSuffix(got.from, " SMTPUTF8") || got.to[0] != "TO:<jürgen@example.com>" {
		t.Errorf("got MAIL %q RCPT %q", got.from, got.to)
	}
}

// TestPlaintextMustBeAllowed reaches this machine by an address that is not
// known to be its own, as any other host.
func TestPlaintextMustBeAllowed(t *testing.T) {
	elsewhere := func(c email.Config) email.Config {
		c.URL = strings.Replace(c.URL, "127.0.0.1", "0.0.0.0", 1)
		return c
	}
	s := (&smtpServer{features: []string{"AUTH PLAIN"}, password: "secret"}).start(t)
	err := email.New(elsewhere(config(s, "smtp", "me:secret@", ""))).Notify(t.Context(), scaled())
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || !strings.Contains(err.Error(), "?tls=off") {
		t.Errorf("got %v", err)
	}
	if s.heard() != "EHLO client.example.com" || s.connections() != 1 {
		t.Errorf("over %d connections the server heard:\n%s", s.connections(), s.heard())
	}
	if err := email.New(elsewhere(config(s, "smtp", "me:secret@", "?tls=off"))).Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if got := s.taken(); len(got) != 1 || got[0].user != "me" {
		t.Errorf("taken: %v", got)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	serverTLS, trusting := certificates(t)
	_, other := certificates(t)
	wrongName := trusting.Clone()
	wrongName.ServerName = "smtp.example.com"
	for name, c := range map[string]*tls.Config{"system's": nil, "another": other, "another name": wrongName} {
		for scheme, query := range map[string]string{"smtp": "?tls=required", "smtps": ""} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				s := (&smtpServer{config: serverTLS, implicit: scheme == "smtps", features: []string{"AUTH PLAIN"}, password: "secret"}).start(t)
				conf := config(s, scheme, "me:secret@", query)
				conf.TLS = c
				err := email.New(conf).Notify(t.Context(), scaled())
				var cert *tls.CertificateVerificationError
				if !errors.As(err, &cert) {
					t.Errorf("got %v", err)
				}
				if s.connections() != 1 || strings.Contains(s.heard(), "AUTH") || len(s.taken()) > 0 {
					t.Errorf("over %d connections the server heard:\n%s", s.connections(), s.heard())
				}
			})
		}
	}
}

func TestEachRecipientGetsAMail(t *testing.T) {
	s := (&smtpServer{replies: map[string]any{"RCPT TO:<gone@example.com>": "550 5.1.1 no such user"}}).start(t)
	c := config(s, "smtp", "", "")
	c.To = []string{"a@example.com", "gone@example.com", "B <b@example.com>", "a@example.com"}
	err := email.New(c).Notify(t.Context(), scaled())
	if err == nil || !strings.HasSuffix(err.Error(), `: to gone@example.com: sending SMTP RCPT TO command: 550 "5.1.1 no such user"`) {
		t.Errorf("got %v", err)
	}
	got := s.taken()
	if len(got) != 2 || s.connections() != 1 {
		t.Fatalf("%d mails were taken over %d connections", len(got), s.connections())
	}
	ids := make(map[string]bool)
	for i, to := range []string{"a@example.com", "b@example.com"} {
		header, _, _ := read(t, got[i].text)
		if !cmp.Equal(got[i].to, []string{"TO:<" + to + ">"}) || !strings.Contains(header.Get("To"), to) {
			t.Errorf("mail %d went to %q, says %q", i, got[i].to, header.Get("To"))
		}
		ids[header.Get("Message-Id")] = true
	}
	if len(ids) != 2 {
		t.Error("two mails have one Message-ID")
	}
}

func TestConcurrently(t *testing.T) {
	s := new(smtpServer).start(t)
	n := email.New(config(s, "smtp", "", ""))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := n.Notify(t.Context(), scaled()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(s.taken()); got != 8 {
		t.Errorf("%d mails were taken", got)
	}
}

func TestGivesUpWithItsContext(t *testing.T) {
	serverTLS, clientTLS := certificates(t)
	for _, tc := range []struct{ at, scheme, query string }{
		{"accept", "smtps", ""},
		{"greeting", "smtp", ""},
		{"greeting", "smtps", ""},
		{"EHLO", "smtp", ""},
		{"STARTTLS", "smtp", "?tls=required"},
		{"AUTH", "smtp", ""},
		{"MAIL", "smtp", ""},
		{"RCPT", "smtp", ""},
		{"DATA", "smtp", ""},
		{"amid DATA", "smtp", ""},
		{"end of DATA", "smtp", ""},
		{"end of DATA", "smtps", ""},
		{"QUIT", "smtp", ""},
	} {
		t.Run(tc.at+" "+tc.scheme, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &smtpServer{config: serverTLS, implicit: tc.scheme == "smtps", features: []string{"AUTH PLAIN"}, password: "secret"}
			s.replies = map[string]any{tc.at: func(c *session) {
				cancel()
				stall(c)
			}}
			s.start(t)
			c := config(s, tc.scheme, "me:secret@", tc.query)
			c.TLS, c.To = clientTLS, []string{"a@example.com", "b@example.com"}
			err := within(t, func() error { return email.New(c).Notify(ctx, scaled()) })
			switch {
			case tc.at == "QUIT": // both were taken
				if err != nil {
					t.Errorf("got %v", err)
				}
			case !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), s.addr()):
				t.Errorf("got %v", err)
			}
			if s.connections() != 1 {
				t.Errorf("it connected %d times", s.connections())
			}
		})
	}
}

func TestGivesUpAtTheDeadline(t *testing.T) {
	s := (&smtpServer{replies: map[string]any{"greeting": stall}}).start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := within(t, func() error { return email.New(config(s, "smtp", "", "")).Notify(ctx, scaled()) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestTakenIsTaken meets servers that do not take leave as they should.
func TestTakenIsTaken(t *testing.T) {
	for name, replies := range map[string]map[string]any{
		"stalls": {"QUIT": stall}, "hangs up": {"QUIT": hangUp}, "refuses": {"QUIT": "500 stay"},
		"stalls at what is not needed": {"RSET": stall, "NOOP": stall},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&smtpServer{replies: replies}).start(t)
			if err := within(t, func() error { return email.New(config(s, "smtp", "", "")).Notify(t.Context(), scaled()) }); err != nil {
				t.Error(err)
			}
			if got := len(s.taken()); got != 1 {
				t.Errorf("%d mails were taken", got)
			}
		})
	}
}

func TestBoundsReplies(t *testing.T) {
	for name, flood := range map[string]string{"lines": "220-" + strings.Repeat("x", 1000) + "\r\n", "one line": strings.Repeat("x", 1000)} {
		s := (&smtpServer{replies: map[string]any{"greeting": func(s *session) {
			var err error
			for err == nil {
				_, err = s.conn.Write([]byte(flood))
			}
		}}}).start(t)
		err := within(t, func() error { return email.New(config(s, "smtp", "", "")).Notify(t.Context(), scaled()) })
		if err == nil || !strings.Contains(err.Error(), "more than 1 MiB") || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.1000v", name, err)
		}
	}
}

func TestTriesAgain(t *testing.T) {
	const a, b, c = "a@example.com", "b@example.com", "c@example.com"
	type replies = map[string]any
	for name, tc := range map[string]struct {
		replies     replies
		to          []string
		taken       []string
		connections int
		want        []string // in the error; nil: none
	}{
		"refused":                {replies{"MAIL": "550 no"}, []string{a}, nil, 1, []string{`550 "no"`, "to a@example.com"}},
		"greeting refuses":       {replies{"greeting": "554 go away"}, []string{a}, nil, 1, []string{"answers 554 (go away)"}},
		"busy at the greeting":   {replies{"greeting": []string{"421 too busy"}}, []string{a}, []string{a}, 2, nil},
		"busy for ever":          {replies{"greeting": "421-too\r\n421 busy"}, []string{a, b}, nil, 2, []string{"answers 421 (too busy)"}},
		"temporary at EHLO":      {replies{"EHLO": []string{"421 no"}, "HELO": []string{"421 no"}}, []string{a}, []string{a}, 2, nil},
		"temporary at AUTH":      {replies{"AUTH": []string{"454 later"}}, []string{a}, []string{a}, 2, nil},
		"temporary at MAIL":      {replies{"MAIL": []string{"451 later"}}, []string{a}, []string{a}, 2, nil},
		"temporary at DATA":      {replies{"DATA": []string{"451 later"}}, []string{a}, []string{a}, 2, nil},
		"temporary after DATA":   {replies{"end of DATA": []string{"451 later"}}, []string{a}, []string{a}, 2, nil},
		"temporary for one":      {replies{"RCPT TO:<b@example.com>": []string{"450 greylisted"}}, []string{a, b, c}, []string{a, c, b}, 2, nil},
		"each its own fault":     {replies{"RCPT TO:<b@example.com>": "450 grey", "RCPT TO:<c@example.com>": "550 gone"}, []string{a, b, c}, []string{a}, 2, []string{"to " + b, `450 "grey"`, "to " + c, `550 "gone"`}},
		"closed at the greeting": {replies{"greeting": hangUp}, []string{a}, nil, 2, []string{"EOF"}},
		"closed at MAIL":         {replies{"MAIL": hangUp}, []string{a}, nil, 2, []string{"to " + a}},
		"closed amid a mail":     {replies{"end of DATA": hangUp}, []string{a}, nil, 1, []string{"to " + a}},
		"password refused":       {replies{"AUTH": "535 5.7.8 no"}, []string{a}, nil, 1, []string{"answers 535 (5.7.8 no)", "check the user and the password"}},
		"password not asked for": {replies{"EHLO": "250 test"}, []string{a}, nil, 1, []string{"does not support SMTP AUTH"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := (&smtpServer{replies: tc.replies, features: []string{"AUTH PLAIN"}, password: "secret"}).start(t)
			c := config(s, "smtp", "me:secret@", "")
			c.To = tc.to
			err := bubble(t, func(ctx context.Context) error { return email.New(c).Notify(ctx, scaled()) })
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if n := strings.Count(err.Error(), want); n != 1 {
					t.Errorf("%q is %d times in %q", want, n, err)
				}
			}
			var to []string
			for _, d := range s.taken() {
				to = append(to, strings.TrimSuffix(strings.TrimPrefix(d.to[0], "TO:<"), ">"))
			}
			if diff := cmp.Diff(tc.taken, to); diff != "" {
				t.Errorf("taken: %s", diff)
			}
			if s.connections() != tc.connections {
				t.Errorf("it connected %d times, want %d", s.connections(), tc.connections)
			}
		})
	}
}

func TestTriesKeepTheMessageID(t *testing.T) {
	var first string
	s := new(smtpServer)
	s.replies = map[string]any{"end of DATA": func(c *session) {
		c.mu.Lock()
		defer c.mu.Unlock()
		first = c.draft
		delete(c.replies, "end of DATA")
		c.reply("451 later")
	}}
	s.start(t)
	n := email.New(config(s, "smtp", "", ""))
	if err := bubble(t, func(ctx context.Context) error { return n.Notify(ctx, scaled()) }); err != nil {
		t.Fatal(err)
	}
	second := s.taken()[0].text
	before, _, _ := read(t, first)
	after, _, _ := read(t, second)
	if x, y := before.Get("Message-Id"), after.Get("Message-Id"); x != y || x == "" {
		t.Errorf("the tries have the Message-IDs %q and %q", x, y)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the tries differ: %s", diff)
	}
}

func TestNoSecondTryWithoutTime(t *testing.T) {
	s := (&smtpServer{replies: map[string]any{"MAIL": "451 later"}}).start(t)
	err := bubble(t, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		start := time.Now()
		err := email.New(config(s, "smtp", "", "")).Notify(ctx, scaled())
		if took := time.Since(start); took > 0 {
			t.Errorf("it waited for %v, in vain", took)
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `451 "later"`) || s.connections() != 1 {
		t.Errorf("got %v after %d connections", err, s.connections())
	}
}

func TestThePauseEndsWithTheContext(t *testing.T) {
	s := (&smtpServer{replies: map[string]any{"MAIL": "451 later"}}).start(t)
	err := bubble(t, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(100*time.Millisecond, cancel)
		start := time.Now()
		err := email.New(config(s, "smtp", "", "")).Notify(ctx, scaled())
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		return err
	})
	if err == nil || s.connections() != 1 {
		t.Errorf("got %v after %d connections", err, s.connections())
	}
}

// TestErrorsHoldNoSecret uses a server that repeats what it receives.
func TestErrorsHoldNoSecret(t *testing.T) {
	const password = "pass/word+1"
	secrets := []string{password, "pass%2Fword%2B1", "cGFzcy93b3JkKzE=", "AG1lAHBhc3Mvd29yZCsx"}
	for _, at := range []string{"greeting", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "end of DATA"} {
		for _, secret := range secrets {
			t.Run(at, func(t *testing.T) {
				s := &smtpServer{features: []string{"AUTH PLAIN"}, password: password, replies: map[string]any{at: "501 what is " + secret + "?"}}
				if at == "HELO" { // which is tried where EHLO is refused
					s.replies["EHLO"] = s.replies["HELO"]
				}
				s.start(t)
				err := email.New(config(s, "smtp", "me:pass%2Fword%2B1@", "")).Notify(t.Context(), scaled())
				if err == nil {
					t.Fatal("no error")
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					text := fmt.Sprintf("%v %+v %#v %q", e, e, e, e)
					for _, secret := range secrets {
						if strings.Contains(text, secret) {
							t.Errorf("%q is in %s", secret, text)
						}
					}
				}
				if !strings.Contains(err.Error(), s.addr()) {
					t.Errorf("the server is not named: %v", err)
				}
			})
		}
	}
}
