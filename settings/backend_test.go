package settings_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/settings"
)

// receiver stands for all that notifications can be sent to, and keeps what came.
type receiver struct {
	mu  sync.Mutex
	got []string
}

func (r *receiver) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, fmt.Sprintf(format, args...))
}

// take returns what came since the last take.
func (r *receiver) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	form := "json"
	for begin, service := range map[string]string{`{"text":`: "slack", `{"embeds":`: "discord", `{"type":"message",`: "teams"} {
		if strings.HasPrefix(string(body), begin) {
			form = service
		}
	}
	signed := ""
	for name := range req.Header {
		if strings.Contains(name, "Signature") {
			signed = " signed"
		}
	}
	r.add("%s %s%s", req.URL.Path, form, signed)
}

// mail serves SMTP on a port of this machine, and returns its address.
func (r *receiver) mail(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.session(textproto.NewConn(conn))
		}
	})
	return l.Addr().String()
}

func (r *receiver) session(c *textproto.Conn) {
	defer c.Close()
	from := ""
	_ = c.PrintfLine("220 ready")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO", "HELO", "RSET", "NOOP":
			_ = c.PrintfLine("250 yes")
		case "MAIL":
			from = strings.Fields(line)[1]
			_ = c.PrintfLine("250 yes")
		case "RCPT":
			r.add("mail %s %s", from, strings.Fields(line)[1])
			_ = c.PrintfLine("250 yes")
		case "DATA":
			_ = c.PrintfLine("354 go on")
			_, _ = c.ReadDotBytes()
			_ = c.PrintfLine("250 taken")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		default:
			_ = c.PrintfLine("502 no")
		}
	}
}

func TestBackends(t *testing.T) {
	var r receiver
	web := httptest.NewServer(&r)
	defer web.Close()
	smtp := "smtp://" + r.mail(t)

	hook := "\nWEBHOOK_URL=" + web.URL + "/hook"
	chat := "\nSLACK_WEBHOOK_URL=" + web.URL + "/chat"
	post := "\nSMTP_URL=" + smtp + "\nADMINS=jane@example.com, Joe <joe@example.com>"
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{"NOTIFICATION_BACKENDS=[]", nil},
		{"NOTIFICATION_BACKENDS=console", []string{"console"}},
		{"NOTIFICATION_BACKENDS=['autoscalebot.backends.notification.ConsoleBackend']", []string{"console"}},
		{"NOTIFICATION_BACKENDS=heroku_web_autoscale.backends.notification.console.ConsoleBackend", []string{"console"}},
		{"NOTIFICATION_BACKENDS=log", []string{"log"}},
		{"NOTIFICATION_BACKENDS=autoscalebot.backends.notification.LoggerBackend", []string{"log"}},
		{"NOTIFICATION_BACKENDS=webhook" + hook, []string{"/hook json"}},
		{"NOTIFICATION_BACKENDS=webhook\nWEBHOOK_SECRET=0123456789abcdef" + hook, []string{"/hook json signed"}},
		{"NOTIFICATION_BACKENDS=slack" + chat, []string{"/chat slack"}},
		{
			"NOTIFICATION_BACKENDS=discord, teams\nDISCORD_WEBHOOK_URL=" + web.URL + "/d\nTEAMS_WEBHOOK_URL=" + web.URL + "/t",
			[]string{"/d discord", "/t teams"},
		},
		{"NOTIFICATION_BACKENDS=email" + post, []string{"mail FROM:<jane@example.com> TO:<jane@example.com>", "mail FROM:<jane@example.com> TO:<joe@example.com>"}},
		{
			"NOTIFICATION_BACKENDS=('autoscalebot.backends.notification.DjangoEmailBackend',)\nEMAIL_FROM=bot@example.com" + post,
			[]string{"mail FROM:<bot@example.com> TO:<jane@example.com>", "mail FROM:<bot@example.com> TO:<joe@example.com>"},
		},
		// All are told, in the order in which they are named.
		{
			"NOTIFICATION_BACKENDS = [\n  \"slack\",\n  'console', # us\n  'webhook',\n]" + hook + chat,
			[]string{"/chat slack", "console", "/hook json"},
		},
	}
	for _, tt := range tests {
		r.take()
		o := options(tt.text)
		o.Console = writer(func(string) { r.add("console") })
		o.Logger = slog.New(slog.NewTextHandler(writer(func(line string) {
			if strings.Contains(line, "notification=true") {
				r.add("log")
			}
		}), nil))
		s, err := settings.Load(o)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		e := autoscale.Event{Kind: autoscale.Scaled, Time: time.Now(), Name: "web", From: 1, To: 2}
		for _, n := range s.Config.Notifiers {
			if err := n.Notify(t.Context(), e); err != nil {
				t.Errorf("%q: %v", tt.text, err)
			}
		}
		if diff := cmp.Diff(tt.want, r.take()); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.text, diff)
		}
	}
}

type writer func(string)

func (w writer) Write(p []byte) (int, error) { w(string(p)); return len(p), nil }

// A backend may name the kinds that it alone is told of.
func TestBackendKinds(t *testing.T) {
	var out bytes.Buffer
	o := options("NOTIFICATION_BACKENDS=console:scaled|probed, log")
	o.Console = &out
	s, err := settings.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	kinds := func(n autoscale.Notifier) autoscale.EventKind {
		if own, ok := n.(interface{ Kinds() autoscale.EventKind }); ok {
			return own.Kinds()
		}
		return 0
	}
	if got := kinds(s.Config.Notifiers[0]); got != autoscale.Scaled|autoscale.Probed {
		t.Errorf("console is told of %v", got)
	}
	if got := kinds(s.Config.Notifiers[1]); got != 0 {
		t.Errorf("log names the kinds %v itself", got)
	}
}

// What the NOTIFY settings turn on is told when it happens, and otherwise not.
func TestNotified(t *testing.T) {
	slow := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 2 * time.Second}, nil
	})
	fast := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: time.Millisecond}, nil
	})
	tests := []struct {
		setting string // without its value
		initial bool
		more    string
		prober  autoscale.Prober
		size    int
		refuse  bool
		says    string
	}{
		{"NOTIFY_IF_NEEDS_EXCEED_MAX", true, "", slow, 3, false, "at the maximum of 3"},
		{"NOTIFY_IF_NEEDS_BELOW_MIN", false, "MIN_DYNOS=2", fast, 2, false, "at the minimum of 2"},
		{"NOTIFY_ON_SCALE_FAILS", false, "", slow, 1, true, "could not read or set the size (1 in a row)"},
		{"NOTIFY_ON_EVERY_SCALE", false, "", slow, 1, false, "scaled from 1 to 2"},
		{"NOTIFY_ON_EVERY_PING", false, "", fast, 1, false, "measured latency 1ms"},
	}
	for _, tt := range tests {
		for _, on := range []string{"", "=true", "=false"} {
			text := "NOTIFICATION_BACKENDS=console\n" + tt.more
			if on != "" {
				text += "\n" + tt.setting + on
			}
			got := run(t, text, tt.prober, tt.size, tt.refuse)
			if want := on == "=true" || on == "" && tt.initial; strings.Contains(got, tt.says) != want {
				t.Errorf("%q: told %q, want %q in it: %t", text, got, tt.says, want)
			}
		}
	}

	const moved = "NOTIFICATION_BACKENDS=console\nINCREMENT=4\nMAX_DYNOS=5\nNOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES=30\nNOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD="
	if got := run(t, moved+"3", slow, 1, false); !strings.Contains(got, "above the threshold") {
		t.Errorf("moved by 4 with a threshold of 3: told %q", got)
	}
	if got := run(t, moved+"4", slow, 1, false); strings.Contains(got, "above the threshold") {
		t.Errorf("moved by 4 with a threshold of 4: told %q", got)
	}
}

// run lets the Config tick six times, on a platform of one number, and returns
// what the console was told.
func run(t *testing.T, text string, p autoscale.Prober, size int, refuse bool) string {
	t.Helper()
	var out bytes.Buffer
	o := options(text)
	o.Console = &out
	s, err := settings.Load(o)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	s.Config.Prober, s.Config.Scaler = p, &number{size, refuse}
	a := autoscale.New(s.Config)
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i := range 6 {
		_, _ = a.Tick(t.Context(), start.Add(time.Duration(i)*30*time.Second))
	}
	return out.String()
}

type number struct {
	size   int
	refuse bool
}

func (n *number) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: n.size}, nil
}

func (n *number) Scale(_ context.Context, size int) error {
	if n.refuse {
		return errors.New("refused")
	}
	n.size = size
	return nil
}

// Slack is not asked in a test, so that the notifier of slackbot is only named.
func TestSlackBotBackend(t *testing.T) {
	s := load(t, "NOTIFICATION_BACKENDS=slackbot\nSLACK_BOT_TOKEN=xoxb-0123456789\nSLACK_CHANNEL=#ops")
	if got := fmt.Sprint(s.Config.Notifiers); got != "[notify.SlackBot(slack.com)]" {
		t.Errorf("the notifiers are %s", got)
	}
}
