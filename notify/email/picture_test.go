package email_test

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/email"
	"github.com/autoscalebot/autoscale/notify/internal/words/wordstest"
)

// busyHour is the history of an hour whose load grows.
func busyHour(context.Context) (*history.Log, error) {
	var log history.Log
	for i := range 120 {
		log.Add(history.Point{
			Time: nine.Add(time.Duration(i-119) * 30 * time.Second), Size: min(2+i/30, 5), Min: 1, Max: 5, Recommends: i > 60, Recommended: 3 + i/30,
			Delay: "latency", Wait: .2 + float64(i*i)/6500,
		})
	}
	return &log, nil
}

// alarm is an event of such an hour.
func alarm() autoscale.Event {
	for _, e := range wordstest.Events() {
		if e.Kind == autoscale.NeedsAboveMax && e.Phase == autoscale.Began {
			return e.Event
		}
	}
	panic("there is no such event")
}

func TestPictureOfTheLastHour(t *testing.T) {
	s := new(smtpServer).start(t)
	c := config(s, "smtp", "", "")
	c.History, c.Page, c.To = busyHour, "https://www.example.com/autoscale/?a=1&b=2", []string{"ops@example.com", "dev@example.com"}
	n := email.New(c)
	if err := validate(n); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), alarm()); err != nil {
		t.Fatal(err)
	}
	const alt = "In the last hour the size was 2 to 5, and is 5 now. The rule recommended at most 6 processes. The latency was 200ms to 2.4s, and is 2.4s now."
	for _, m := range s.taken() {
		_, _, all := readAll(t, m.text)
		cid, disposition, _ := strings.Cut(all["image/png"].header, " ")
		cid = strings.Trim(cid, "<>")
		if _, err := png.Decode(strings.NewReader(all["image/png"].body)); err != nil || !strings.HasPrefix(disposition, "inline") || !strings.HasSuffix(cid, "@example.com") {
			t.Fatalf("%v, %s", err, all["image/png"].header)
		}
		html, text := all["text/html"].body, all["text/plain"].body
		for _, want := range []string{`src="cid:` + cid + `"`, `alt="` + alt + `"`, `<html lang="en">`, `href="https://www.example.com/autoscale/?a=1&amp;b=2"`, "border-left:6px solid #F2A100", "<strong>What to do:</strong> If"} {
			if !strings.Contains(html, want) {
				t.Errorf("%s is not in:\n%s", want, html)
			}
		}
		for _, want := range []string{alt, "Status page: https://www.example.com/autoscale/?a=1&b=2"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in:\n%s", want, text)
			}
		}
		if len(m.text) > 60<<10 {
			t.Errorf("the mail has %d bytes", len(m.text))
		}
		if dir := os.Getenv("MAIL_DIR"); dir != "" { // to look at it
			html = strings.ReplaceAll(html, "cid:"+cid, "mail.png")
			err := errors.Join(os.WriteFile(filepath.Join(dir, "mail.html"), []byte(html), 0o644), os.WriteFile(filepath.Join(dir, "mail.png"), []byte(all["image/png"].body), 0o644))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The picture neither prevents a mail nor delays it by more than a second.
func TestMailWithoutItsPicture(t *testing.T) {
	for name, of := range map[string]func(context.Context) (*history.Log, error){
		"error":  func(context.Context) (*history.Log, error) { return nil, errors.New("no history") },
		"nil":    func(context.Context) (*history.Log, error) { return nil, nil },
		"empty":  func(context.Context) (*history.Log, error) { return new(history.Log), nil },
		"panic":  func(context.Context) (*history.Log, error) { panic("no history") },
		"hangs":  func(ctx context.Context) (*history.Log, error) { <-ctx.Done(); return nil, ctx.Err() },
		"no end": func(context.Context) (*history.Log, error) { time.Sleep(time.Hour); return nil, nil },
		"too old": func(context.Context) (*history.Log, error) {
			log, _ := busyHour(t.Context())
			old := new(history.Log)
			for _, p := range log.Points() {
				p.Time = p.Time.Add(-2 * time.Hour)
				old.Add(p)
			}
			return old, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(smtpServer).start(t)
			c := config(s, "smtp", "", "")
			var calls atomic.Int32
			c.History = func(ctx context.Context) (*history.Log, error) { calls.Add(1); return of(ctx) }
			synctest.Test(t, func(t *testing.T) {
				n := email.New(c)
				for range 2 {
					begin := time.Now()
					if err := n.Notify(t.Context(), alarm()); err != nil {
						t.Error(err)
					}
					if d := time.Since(begin); d > 1500*time.Millisecond {
						t.Errorf("the mail took %v", d)
					}
				}
				time.Sleep(2 * time.Hour) // until each call has returned
			})
			for _, m := range s.taken() {
				_, _, all := readAll(t, m.text)
				if strings.Contains(m.text, "image/png") || strings.Contains(all["text/html"].body, "<img") || strings.Contains(all["text/plain"].body, "last hour") {
					t.Errorf("the mail has a picture:\n%s", m.text)
				}
			}
			if got, want := len(s.taken()), 2; got != want {
				t.Errorf("%d mails were sent, want %d", got, want)
			}
			if name == "no end" && calls.Load() != 1 {
				t.Errorf("History was called %d times, although its first call had not returned", calls.Load())
			}
		})
	}
}

func TestHTMLIsEscaped(t *testing.T) {
	s := new(smtpServer).start(t)
	c := config(s, "smtp", "", "")
	c.History = busyHour
	if err := email.New(c).Notify(t.Context(), wordstest.HostileEvent()); err != nil {
		t.Fatal(err)
	}
	_, _, all := readAll(t, s.taken()[0].text)
	html := all["text/html"].body
	for _, tag := range []string{"<script", "<b>", "<!channel", "<@U1"} {
		if strings.Contains(html, tag) {
			t.Errorf("%s is in:\n%s", tag, html)
		}
	}
	if !strings.Contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Errorf("the text is not in:\n%s", html)
	}
}

func TestPageIsValidated(t *testing.T) {
	for page, want := range map[string]string{
		"https://example.com/": "", "http://10.0.0.1/": "", "javascript:alert(1)": "must begin with https://", "example.com": "must begin", "https://u:hunter@example.com": "a user or a password", "https://e.com/" + strings.Repeat("x", 1000): "1014 characters",
	} {
		c := email.Config{URL: "smtp://smtp.example.com", From: "a@example.com", To: []string{"b@example.com"}, Page: page}
		err := validate(email.New(c))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprint(err), "hunter") {
			t.Errorf("%.40s: %v", page, err)
		}
	}
}

// A mail of each kind and phase.
func TestMailOfEachEvent(t *testing.T) {
	s := new(smtpServer).start(t)
	n := email.New(config(s, "smtp", "", ""))
	events := wordstest.Events()
	for _, e := range events {
		if err := n.Notify(t.Context(), e.Event); err != nil {
			t.Fatal(err)
		}
	}
	mails := s.taken()
	if len(mails) != len(events) {
		t.Fatalf("%d mails were sent of %d events", len(mails), len(events))
	}
	for i, m := range mails {
		_, subject, all := readAll(t, m.text)
		if !strings.HasPrefix(subject, "[autoscale] web: ") || !strings.Contains(all["text/html"].body, "What to do:") || !strings.Contains(all["text/plain"].body, "What to do:") {
			t.Errorf("%s: %s\n%s", events[i].Name, subject, all["text/plain"].body)
		}
	}
}
