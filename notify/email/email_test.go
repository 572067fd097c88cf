package email_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/notify/email"
)

var nine = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)

func scaled() autoscale.Event {
	return autoscale.Event{
		Kind: autoscale.Scaled, Time: nine, Name: "web", From: 1, To: 2, Min: 1, Max: 3,
		Decision: autoscale.Decision{Act: true, Size: 2, Reason: autoscale.Reason{Detail: autoscale.ReasonText("the queue is long")}},
	}
}

// config is for a server of a test, at SCHEME://LOGIN and its address and QUERY.
func config(s *smtpServer, scheme, login, query string) email.Config {
	return email.Config{
		URL: scheme + "://" + login + s.addr() + query, From: "Auto Scaler <auto@example.com>", To: []string{"ops@example.com"}, HELO: "client.example.com",
	}
}

func validate(n autoscale.Notifier) error { return n.(interface{ Validate() error }).Validate() }

// parts are the parts of a mail, by their media type. Of each there is one at most.
type parts map[string]struct{ header, body string }

// open adds the part with a header and a body, or the parts that it consists of.
func (p parts) open(t *testing.T, get func(string) string, body io.Reader) {
	t.Helper()
	media, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(media, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			part, err := r.NextRawPart()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.open(t, part.Header.Get, part)
		}
	}
	switch encoding := get("Content-Transfer-Encoding"); encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	default:
		t.Fatalf("Content-Transfer-Encoding of %s is %q", media, encoding)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p[media]; ok {
		t.Errorf("there are two parts of %s", media)
	}
	p[media] = struct{ header, body string }{get("Content-Id") + " " + get("Content-Disposition"), string(b)}
}

// read parses a mail. body is its plain text.
func read(t *testing.T, text string) (header mail.Header, subject, body string) {
	t.Helper()
	header, subject, all := readAll(t, text)
	return header, subject, all["text/plain"].body
}

func readAll(t *testing.T, text string) (header mail.Header, subject string, all parts) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	all = parts{}
	all.open(t, m.Header.Get, m.Body)
	if all["text/plain"].body == "" || all["text/html"].body == "" {
		t.Fatalf("a part is missing in:\n%s", text)
	}
	return m.Header, subject, all
}

func TestMail(t *testing.T) {
	s := new(smtpServer).start(t)
	e := scaled()
	e.Name, e.Kind, e.Phase, e.Count = "wörk", autoscale.NeedsAboveMax, autoscale.Began, 7
	e.Since, e.Until, e.Limit, e.DryRun = nine.Add(-time.Minute), nine.Add(time.Minute), limit.ByMax, true
	e.Err, e.Sample = errors.New("it broke"), autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 1250 * time.Millisecond}
	if err := email.New(config(s, "smtp", "", "")).Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	header, subject, body := read(t, s.taken()[0].text)
	if subject != "[autoscale] wörk: more than 3 processes are needed" {
		t.Errorf("the subject is %q", subject)
	}
	want := `wörk runs at its maximum of 3 processes, but the rule recommends 2.

Why: The queue is long.

What to do: If your plan and your database have room for more processes, raise Max. If not, expect slow responses until the load falls.

Next: wörk stays at 2 until the load falls or Max is raised.

process:     wörk
event:       needs_above_max, began (WARN)
time:        Mon, 23 Nov 2026 09:00:00 +0000
since:       Mon, 23 Nov 2026 08:59:00 +0000
size:        2, before 1
bounds:      1 to 3
measured:    ` + e.Sample.String() + `
recommended: 2
reason:      the queue is long
limit:       max
until:       Mon, 23 Nov 2026 09:01:00 +0000
count:       7
error:       it broke
dry run:     nothing was ordered
`
	if diff := cmp.Diff(want, strings.ReplaceAll(body, "\r\n", "\n")); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"From": `"Auto Scaler" <auto@example.com>`, "To": "<ops@example.com>", "Auto-Submitted": "auto-generated",
		"Mime-Version": "1.0",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if id := header.Get("Message-Id"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.com>") || len(id) < 30 {
		t.Errorf("Message-ID is %q", id)
	}
	if _, err := header.Date(); err != nil {
		t.Error(err)
	}
}

func TestMailLeavesOutWhatIsZero(t *testing.T) {
	s := new(smtpServer).start(t)
	e := autoscale.Event{Kind: autoscale.Paused, Time: nine, Name: "web", Min: 1, Max: 3}
	if err := email.New(config(s, "smtp", "", "")).Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	_, _, body := read(t, s.taken()[0].text)
	want := `Somebody set web to 0 processes, which pauses the autoscaler.

What to do: To start it again, set any other size.

Next: web stays off until somebody does.

process:     web
event:       paused (INFO)
time:        Mon, 23 Nov 2026 09:00:00 +0000
size:        0
bounds:      1 to 3
`
	if diff := cmp.Diff(want, strings.ReplaceAll(body, "\r\n", "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestSubjectIsCutBetweenWords(t *testing.T) {
	s := new(smtpServer).start(t)
	e := autoscale.Event{Kind: autoscale.ScaleFailed, Name: "web: " + strings.Repeat("word ", 200)}
	c := config(s, "smtp", "", "")
	c.Subject = "ALARM "
	for _, e := range []autoscale.Event{e, {Name: "web: " + strings.Repeat("x", 200)}} {
		if err := email.New(c).Notify(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range s.taken() {
		_, subject, _ := read(t, m.text)
		if n := len([]rune(subject)); !strings.HasPrefix(subject, "ALARM web: ") || n > 100 || n < 60 {
			t.Errorf("the subject is %q", subject)
		}
		if strings.Contains(subject, "word") && !strings.HasSuffix(subject, " word…") {
			t.Errorf("the subject is cut within a word: %q", subject)
		}
	}
}

func TestNothingCanBeInjected(t *testing.T) {
	s := new(smtpServer).start(t)
	attack := "x\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"
	e := scaled()
	e.Name, e.Detail, e.Err = attack, attack, errors.New(attack)
	e.Decision.Reason.Detail = autoscale.ReasonText(attack)
	c := config(s, "smtp", "", "")
	c.Subject = attack
	if err := email.New(c).Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := s.taken()
	if len(got) != 1 || len(got[0].to) != 1 || strings.Count(s.heard(), "MAIL FROM") != 1 {
		t.Fatalf("the server heard:\n%s", s.heard())
	}
	header, subject, body := read(t, got[0].text)
	if strings.ContainsFunc(subject, unicode.IsControl) {
		t.Errorf("the subject is %q", subject)
	}
	var names []string
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	for l := range strings.Lines(body) {
		if strings.HasPrefix(l, "Bcc") || strings.HasPrefix(l, ".") || strings.HasPrefix(l, "MAIL") {
			t.Errorf("the body has the line %q", l)
		}
	}
}

func TestValidates(t *testing.T) {
	good := email.Config{URL: "smtp://user:hunter@smtp.example.com:587", From: "a@example.com", To: []string{"b@example.com", "B <c@example.com>"}}
	many := make([]string, email.MaxRecipients+1)
	for i := range many {
		many[i] = fmt.Sprintf("a%d@example.com", i)
	}
	url := func(u string) func(*email.Config) { return func(c *email.Config) { c.URL = u } }
	from := func(a string) func(*email.Config) { return func(c *email.Config) { c.From = a } }
	to := func(a ...string) func(*email.Config) { return func(c *email.Config) { c.To = a } }
	helo := func(h string) func(*email.Config) { return func(c *email.Config) { c.HELO = h } }
	for name, tc := range map[string]struct {
		change func(*email.Config)
		want   []string // nil: no error
	}{
		"good":               {func(*email.Config) {}, nil},
		"TLS from the start": {url("smtps://smtp.example.com"), nil},
		"off":                {url("smtp://smtp.example.com/?tls=off"), nil},
		"v6":                 {url("smtp://[::1]:25"), nil},
		"at in the user":     {url("smtp://me@example.com:hunter@smtp.example.com"), nil},
		"most recipients":    {to(many[1:]...), nil},
		"all empty":          {func(c *email.Config) { *c = email.Config{} }, []string{"URL is empty", "From is empty", "To is empty"}},
		"no scheme":          {url("smtp.example.com:587"), []string{"URL"}},
		"scheme":             {url("http://smtp.example.com"), []string{"must begin with smtp://"}},
		"no host":            {url("smtp://user:hunter@"), []string{"names no host"}},
		"space in the host":  {url("smtp://a%20b"), []string{"URL"}},
		"line break":         {url("smtp://a.example.com\r\nQUIT"), []string{"does not parse"}},
		"port":               {url("smtp://smtp.example.com:70000"), []string{"port"}},
		"port 0":             {url("smtp://smtp.example.com:0"), []string{"port"}},
		"path":               {url("smtp://smtp.example.com/x"), []string{"after the host"}},
		"slash in password":  {url("smtp://user:12/34@smtp.example.com"), []string{"after the host", "percent-encoded"}},
		"hash in password":   {url("smtp://user:12#34@smtp.example.com"), []string{"after the host", "percent-encoded"}},
		"mark in password":   {url("smtp://user:12?34@smtp.example.com"), []string{"query", "percent-encoded"}},
		"unknown query":      {url("smtp://smtp.example.com?starttls=off"), []string{"query"}},
		"unknown mode":       {url("smtp://smtp.example.com?tls=maybe"), []string{"query"}},
		"empty mode":         {url("smtp://smtp.example.com?tls="), []string{"query"}},
		"two modes":          {url("smtp://smtp.example.com?tls=off&tls=required"), []string{"query"}},
		"smtps without TLS":  {url("smtps://smtp.example.com?tls=off"), []string{"with smtp://"}},
		"From":               {from("nobody"), []string{`From is "nobody"`}},
		"From two":           {from("a@example.com, b@example.com"), []string{"From"}},
		"From injected":      {from("a@example.com\r\nBcc: e@example.com"), []string{"From"}},
		"From's name":        {from("=?utf-8?b?eA0KeQ==?= <a@example.com>"), []string{"control character"}},
		"From's domain":      {from("a@exa\u0085mple.com"), []string{"control character"}},
		"To":                 {to("a@example.com", "x", "b@example.com", ""), []string{`To[1] is "x"`, "To[3] is empty"}},
		"To injected":        {to("\"a\r\nRCPT TO:<e@example.com>\"@example.com"), []string{"To[0]"}},
		"too many":           {to(many...), []string{"51 recipients"}},
		"HELO":               {helo("a b"), []string{`HELO is "a b"`}},
		"HELO injected":      {helo("a\r\nMAIL"), []string{"HELO"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			n := email.New(c)
			err := validate(n)
			if (err != nil) != (tc.want != nil) {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				return
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			all := fmt.Sprintf("%v %+v %v %+v %#v", err, err, n, c, c)
			for _, secret := range []string{"hunter", "12", "34"} {
				if strings.Contains(all, secret) {
					t.Errorf("%q is in %s", secret, all)
				}
			}
			if got := n.Notify(t.Context(), scaled()); got == nil || !strings.Contains(got.Error(), err.Error()) {
				t.Errorf("Notify returned %v", got)
			}
		})
	}
}

func TestFormatsHoldNoSecret(t *testing.T) {
	c := email.Config{
		URL: "smtp://u:pass-word@smtp.example.com", From: "a@example.com", To: []string{"b@example.com"},
		TLS: &tls.Config{ServerName: "in-the-tls-config"},
	}
	n := email.New(c)
	type hidden struct{ n autoscale.Notifier } // fmt cannot call a method of n
	for _, v := range []any{c, &c, n, []email.Config{c}, struct{ C email.Config }{c}, hidden{n}, autoscale.Config{Notifiers: []autoscale.Notifier{n}}} {
		var b strings.Builder
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&b, format+"\n", v)
		}
		if _, ok := v.(autoscale.Config); !ok { // which holds what JSON cannot encode
			text, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			b.Write(text)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		for _, s := range []string{"pass-word", "in-the-tls-config", fmt.Sprintf("%x", "pass-word")} {
			if strings.Contains(b.String(), s) {
				t.Errorf("%q is in %s", s, b.String())
			}
		}
	}
	if got := fmt.Sprint(n); got != "email.New(1 recipients by smtp.example.com:587)" {
		t.Errorf("got %s", got)
	}
}
