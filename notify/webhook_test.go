package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
)

func TestWebhookPostsTheEvent(t *testing.T) {
	r := newReceiver(t, nil)
	n := notify.Webhook(r.URL+"/hooks/T000?x=1", notify.WebhookOptions{
		Secret: "s3cret",
		Header: http.Header{"Authorization": {"Bearer token-1234"}, "X-Two": {"a", "b"}},
	})
	if err := validate(t, n); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	got := r.requests()
	if len(got) != 2 {
		t.Fatalf("got %d requests", len(got))
	}
	want, err := json.Marshal(scaled())
	if err != nil {
		t.Fatal(err)
	}
	g := got[0]
	if diff := cmp.Diff(received{http.MethodPost, "/hooks/T000?x=1", string(want), g.header}, g, cmp.AllowUnexported(received{})); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "autoscale", "Authorization": "Bearer token-1234",
	} {
		if v := g.header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if v := g.header.Values("X-Two"); !cmp.Equal(v, []string{"a", "b"}) {
		t.Errorf("X-Two is %q", v)
	}
	if err := notify.Verify("s3cret", g.header.Get(notify.HeaderSignature), []byte(g.body), 0); err != nil {
		t.Error(err)
	}
	first, second := g.header.Get(notify.HeaderIdempotencyKey), got[1].header.Get(notify.HeaderIdempotencyKey)
	if first == "" || first == second {
		t.Errorf("two events have the keys %q and %q", first, second)
	}
}

func TestWebhookWithoutSecretIsNotSigned(t *testing.T) {
	r := newReceiver(t, nil)
	if err := notify.Webhook(r.URL, notify.WebhookOptions{}).Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if v, ok := r.requests()[0].header[notify.HeaderSignature]; ok {
		t.Errorf("signed with no secret: %q", v)
	}
}

func TestWebhookTakesACopyOfItsOptions(t *testing.T) {
	r := newReceiver(t, nil)
	h := http.Header{"X-One": {"before"}}
	c := &http.Client{Timeout: time.Minute}
	n := notify.Webhook(r.URL, notify.WebhookOptions{Header: h, Client: c})
	h.Set("X-One", "after")
	if err := n.Notify(t.Context(), scaled()); err != nil {
		t.Fatal(err)
	}
	if v := r.requests()[0].header.Get("X-One"); v != "before" {
		t.Errorf("X-One is %q", v)
	}
	if len(h) != 1 || c.CheckRedirect != nil {
		t.Error("the host's own header or client was changed")
	}
}

func TestWebhookTemplate(t *testing.T) {
	nasty := failed(errors.New("a \"quoted\"\nline </script> \xff é"))
	for name, tc := range map[string]struct {
		template, contentType string
		event                 autoscale.Event
		want                  string
	}{
		"text":    {`{"content": {{json .String}}}`, "", scaled(), `{"content": "` + scaled().String() + `"}`},
		"nasty":   {`{{json .Err}}`, "", nasty, `"a \"quoted\"\nline \u003c/script\u003e \ufffd é"`},
		"no err":  {`{{json .Err}}`, "", scaled(), `null`},
		"fields":  {`[{{.From}},{{.To}},{{json .Name}},{{json .Level}}]`, "", scaled(), `[1,2,"web","INFO"]`},
		"cut":     {`{{printf "%.3s" .String | json}}`, "", scaled(), `"web"`},
		"no JSON": {`{{.Kind}}: "{{.Name}}"`, "text/plain", scaled(), `scaled: "web"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			o := notify.WebhookOptions{Template: tc.template}
			if tc.contentType != "" {
				o.Header = http.Header{"Content-Type": {tc.contentType}}
			}
			n := notify.Webhook(r.URL, o)
			if err := validate(t, n); err != nil {
				t.Fatal(err)
			}
			if err := n.Notify(t.Context(), tc.event); err != nil {
				t.Fatal(err)
			}
			g := r.requests()[0]
			if g.body != tc.want {
				t.Errorf("got  %s\nwant %s", g.body, tc.want)
			}
			if v := g.header.Get("Content-Type"); tc.contentType != "" && v != tc.contentType {
				t.Errorf("Content-Type is %q", v)
			}
		})
	}
}

func TestWebhookValidates(t *testing.T) {
	type o = notify.WebhookOptions
	for name, tc := range map[string]struct {
		url  string
		o    o
		want []string // nil: no error
	}{
		"https":             {"https://example.com/x", o{}, nil},
		"loopback v4":       {"http://127.0.0.1:80/x", o{}, nil},
		"loopback v6":       {"http://[::1]/x", o{}, nil},
		"localhost":         {"http://LOCALHOST:99/x", o{}, nil},
		"allowed":           {"http://example.com/x", o{AllowHTTP: true}, nil},
		"http":              {"http://example.com/x", o{}, []string{"AllowHTTP"}},
		"seeming loopback":  {"http://localhost.example.com/x", o{}, []string{"AllowHTTP"}},
		"seeming loopback2": {"http://127.0.0.1.example.com/x", o{}, []string{"AllowHTTP"}},
		"empty":             {"", o{}, []string{"is empty"}},
		"no scheme":         {"example.com/x", o{}, []string{"must begin with https://"}},
		"scheme":            {"ftp://example.com/x", o{}, []string{"must begin with https://"}},
		"no host":           {"https:///x", o{}, []string{"must begin with https://"}},
		"port alone":        {"https://:443/x", o{}, []string{"must begin with https://"}},
		"does not parse":    {"https://example.com/%zz", o{}, []string{"does not parse"}},
		"line break":        {"https://example.com/\n", o{}, []string{"does not parse"}},
		"fragment":          {"https://user:12#34@example.com/", o{}, []string{"has a #"}},
		"header name":       {"https://example.com", o{Header: http.Header{"A b": {"x"}, "": {"y"}}}, []string{`"A b"`, `name ""`}},
		"header value":      {"https://example.com", o{Header: http.Header{"A": {"x\r\nB: y"}}}, []string{`"A" has a line break`}},
		"template":          {"https://example.com", o{Template: `{{`}, []string{"does not parse"}},
		"function":          {"https://example.com", o{Template: `{{exec "x"}}`}, []string{"does not parse", "exec"}},
		"field":             {"https://example.com", o{Template: `{{json .Nme}}`}, []string{"fails on an event", "Nme"}},
		"nil error":         {"https://example.com", o{Template: `{{json .Err.Error}}`}, []string{"fails on an event"}},
		"unquoted":          {"https://example.com", o{Template: `{"text":"{{.String}}"}`}, []string{"does not write JSON"}},
		"unquoted error":    {"https://example.com", o{Template: `{"text":"{{if .Err}}{{.Err}}{{end}}"}`}, []string{"does not write JSON"}},
		"all at once":       {"http://example.com", o{Template: `{{`, Header: http.Header{"A b": nil}}, []string{"AllowHTTP", "does not parse", `"A b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Client = client(func(*http.Request) (*http.Response, error) {
				if tc.want != nil {
					t.Error("a request was sent in spite of a fault")
				}
				return answer(200, ""), nil
			})
			n := notify.Webhook(tc.url, tc.o)
			err := validate(t, n)
			if (err != nil) != (tc.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if err := n.Notify(t.Context(), scaled()); (err != nil) != (tc.want != nil) {
				t.Errorf("Notify returned %v", err)
			}
		})
	}
}

func TestWebhookFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, own := range []bool{true, false} {
			elsewhere := newReceiver(t, nil)
			r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, elsewhere.URL, status)
			})
			var o notify.WebhookOptions
			if !own {
				o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			}
			err := notify.Webhook(r.URL, o).Notify(t.Context(), scaled())
			if err == nil || !strings.Contains(err.Error(), "redirects are not followed") || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%d: got %v", status, err)
			}
			if a, b := len(r.requests()), len(elsewhere.requests()); a != 1 || b != 0 {
				t.Errorf("%d: %d requests, and %d where it redirects to", status, a, b)
			}
		}
	}
}

func TestWebhookGivesUpWithItsContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	defer close(release)
	for name, c := range map[string]*http.Client{"own": nil, "given": new(http.Client)} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		err := notify.Webhook(r.URL, notify.WebhookOptions{Client: c}).Notify(ctx, scaled())
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestWebhookLeavesNoConnectionBehind meets a server that takes the connection
// and never answers the TLS handshake: net/http would go on waiting for it.
func TestWebhookLeavesNoConnectionBehind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			closed <- err
			return
		}
		defer conn.Close()
		cancel()
		_, err = io.Copy(io.Discard, conn)
		closed <- err
	}()
	if err := notify.Webhook("https://"+l.Addr().String(), notify.WebhookOptions{}).Notify(ctx, scaled()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-closed; err != nil { // hangs for as long as the connection stays open
		t.Error(err)
	}
}

func TestWebhookTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if err := notify.Webhook(s.URL, notify.WebhookOptions{Client: s.Client()}).Notify(t.Context(), scaled()); err != nil {
		t.Error(err)
	}
	err := notify.Webhook(s.URL, notify.WebhookOptions{}).Notify(t.Context(), scaled())
	if err == nil || !strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "tries") {
		t.Errorf("of a certificate that is not trusted: got %v, want an error at the first try", err)
	}
}

// secretURL has a secret in each of its parts.
const (
	secretHost = "hooks.example.com"
	secretURL  = "https://us-er-name:pass-word@hooks.example.com/services/T00000000/secretpathsecret?token=secret%2Fquery#"
)

var secretParts = []string{
	"us-er-name", "pass-word", "T00000000", "secretpath", "secret%2Fquery", "secret/query", "hmac-key", "tok-tok-tok", "in-template-key",
}

func secretOptions(f transport) notify.WebhookOptions {
	return notify.WebhookOptions{
		Secret: "hmac-key", Header: http.Header{"Authorization": {"Bearer tok-tok-tok"}},
		Template: `{"routing_key":"in-template-key","text":{{json .String}}}`, Client: client(f),
	}
}

func mustNotHold(t *testing.T, what, text string) {
	t.Helper()
	for _, s := range secretParts {
		if strings.Contains(text, s) {
			t.Errorf("%s holds %q: %s", what, s, text)
		}
	}
}

func TestWebhookErrorsHoldNoSecret(t *testing.T) {
	target := strings.TrimSuffix(secretURL, "#")
	all := strings.Join(secretParts, " ")
	for name, f := range map[string]transport{
		"net/http's": func(r *http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"url.Error": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: target, Err: io.EOF}
		},
		"own words": func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("POST %s giving up", r.URL) },
		"the path":  func(r *http.Request) (*http.Response, error) { return nil, errors.New("bad path " + r.URL.Path) },
		"a header":  func(r *http.Request) (*http.Response, error) { return nil, errors.New("sent tok-tok-tok") },
		"nested": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("x: %w", &url.Error{URL: target, Err: &url.Error{URL: target, Err: errors.New(target)}})
		},
		"empty":        func(r *http.Request) (*http.Response, error) { return nil, &url.Error{URL: target} },
		"400":          func(r *http.Request) (*http.Response, error) { return answer(400, all), nil },
		"404 word":     func(r *http.Request) (*http.Response, error) { return answer(404, "secretpathsecret"), nil },
		"404 part":     func(r *http.Request) (*http.Response, error) { return answer(404, "secretpath"), nil },
		"404 with it":  func(r *http.Request) (*http.Response, error) { return answer(404, "no_secretpathsecret_here"), nil },
		"500":          func(r *http.Request) (*http.Response, error) { return answer(500, all), nil },
		"redirect":     func(r *http.Request) (*http.Response, error) { return answer(307, all, "Location", target), nil },
		"bad redirect": func(r *http.Request) (*http.Response, error) { return answer(307, all, "Location", "%zz"+target), nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // too short for a second try
			defer cancel()
			err := notify.Webhook(target, secretOptions(f)).Notify(ctx, scaled())
			if err == nil {
				t.Fatal("no error")
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
					mustNotHold(t, format, fmt.Sprintf(format, e))
				}
			}
			if !strings.Contains(err.Error(), secretHost) {
				t.Errorf("the host is not named: %v", err)
			}
		})
	}
}

func TestWebhookErrorsKeepTheReason(t *testing.T) {
	target := strings.TrimSuffix(secretURL, "#")
	for _, cause := range []error{
		io.EOF, &url.Error{URL: target, Err: io.EOF}, fmt.Errorf("POST %s: %w", target, &url.Error{URL: target, Err: io.EOF}),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := notify.Webhook(target, secretOptions(func(*http.Request) (*http.Response, error) { return nil, cause })).Notify(ctx, scaled())
		cancel()
		if !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want an error that wraps EOF", err)
		}
	}
}

func TestWebhookFaultsHoldNoSecret(t *testing.T) {
	for _, target := range []string{
		secretURL,
		"https://us-er-name:pass-word/secretpathsecret",
		"https://hooks.example.com:T00000000/secretpathsecret",
		"http://us-er-name:pass-word@hooks.example.com/secretpathsecret",
		"pass-word://hooks.example.com/secretpathsecret",
		"secretpathsecret",
		"https://hooks.example.com/secretpathsecret%zz\x00",
	} {
		n := notify.Webhook(target, notify.WebhookOptions{})
		err := validate(t, n)
		if err == nil {
			t.Errorf("%q was accepted", target)
			continue
		}
		mustNotHold(t, "Validate", fmt.Sprintf("%v %+v %#v", err, err, err))
		mustNotHold(t, "Notify", fmt.Sprint(n.Notify(t.Context(), scaled())))
		mustNotHold(t, "%v", fmt.Sprintf("%v %+v %#v", n, n, n))
	}
}

func TestFormatsHoldNoSecret(t *testing.T) {
	target := strings.TrimSuffix(secretURL, "#")
	o := secretOptions(nil)
	n := notify.Webhook(target, o)
	type hidden struct{ n autoscale.Notifier } // fmt cannot call a method of n
	type holder struct {
		N autoscale.Notifier
		n autoscale.Notifier
		O notify.WebhookOptions
	}
	for name, v := range map[string]any{
		"webhook": n, "options": o, "pointer to options": &o, "slack": notify.Slack(target),
		"only": notify.Only(n, autoscale.Scaled), "slice": []autoscale.Notifier{n, notify.Only(n, autoscale.Scaled)},
		"hidden": hidden{n}, "holder": holder{n, notify.Only(n, autoscale.Scaled), o}, "config": autoscale.Config{Notifiers: []autoscale.Notifier{n}},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			mustNotHold(t, name+" "+format, fmt.Sprintf(format, v))
		}
		if name != "config" {
			b, err := json.Marshal(v)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mustNotHold(t, name+" as JSON", string(b))
		}
		var b strings.Builder
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		mustNotHold(t, name+" logged", b.String())
	}
	if got := fmt.Sprint(n); got != "notify.Webhook(hooks.example.com)" {
		t.Errorf("got %s", got)
	}
}
