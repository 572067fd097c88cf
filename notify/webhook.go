package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

// HeaderIdempotencyKey is a header whose value is the same in every try to deliver
// one event to one [Webhook], and different in every other request. If an answer of
// the receiver was lost, it gets the event again. A receiver that remembers the
// value for a minute can drop the second one.
const HeaderIdempotencyKey = "Idempotency-Key"

// maxTime bounds a call of Notify whose context has no deadline.
const maxTime = 30 * time.Second

// WebhookOptions are the settings of a [Webhook]. The zero value has every default.
// They show no secret if they are formatted or encoded as JSON.
type WebhookOptions struct {
	// Secret is the key that signs bodies, in the header HeaderSignature, so that
	// the receiver can [Verify] them. Empty: they are not signed.
	Secret string `json:"-"`

	// Template is the body, in the language of text/template, executed with the
	// [autoscale.Event]. It can also use two more functions: json, which writes any value
	// as JSON (an error as its text), and slack, which escapes a text for Slack. If the
	// body is JSON, write every text with json, which adds the quotes: {"text": {{json
	// .String}}}. Empty: the event as JSON, see [autoscale.Event.MarshalJSON].
	Template string `json:"-"`

	// Header is sent with each request, for example an Authorization. Its Content-Type
	// defaults to application/json. With that default, Validate refuses a Template that
	// does not write JSON.
	Header http.Header `json:"-"`

	// Client sends the requests. Its Timeout bounds each try. Redirects are not followed.
	// Nil: a client of the notifier's own, which keeps no connection open between events.
	Client *http.Client `json:"-"`

	// AllowHTTP permits a URL that begins with http:// and is not on this machine.
	// Anybody on the way can then read the URL.
	AllowHTTP bool
}

// Format writes the options without anything that may be secret.
func (o WebhookOptions) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "notify.WebhookOptions(signed: %t, template: %t, headers: %d, AllowHTTP: %t)",
		o.Secret != "", o.Template != "", len(o.Header), o.AllowHTTP)
}

// Webhook returns a notifier that sends each event to target, a URL, by a POST request.
// Any status from 200 to 299 means success. Redirects are not followed.
//
// If no answer comes, or one with the status 408, 429, or 500 or above, the notifier tries
// again with growing pauses, up to three tries in all. If the answer has a Retry-After,
// the notifier waits that long, unless the context would end first. Any other answer is
// final, and so is a certificate that is not trusted. The context's deadline is for all
// tries together. Without a deadline they have 30 seconds.
//
// target must begin with https://, except for this machine or with AllowHTTP. It is a
// secret: see the package documentation.
func Webhook(target string, o WebhookOptions) autoscale.Notifier { return newWebhook(target, o) }

func newWebhook(target string, o WebhookOptions) *webhook {
	header := o.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	plainJSON := header.Get("Content-Type") == ""
	if plainJSON {
		header.Set("Content-Type", "application/json")
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "autoscale")
	}
	w := &webhook{name: "Webhook", client: newClient(o.Client), own: o.Client == nil, secret: &secret{key: []byte(o.Secret), header: header}}
	var urlErr, templateErr error
	w.url, urlErr = parseTarget(target, o.AllowHTTP)
	w.render, templateErr = newRenderer(o.Template, plainJSON)
	w.fault = errors.Join(urlErr, templateErr, checkHeader(header))
	if urlErr == nil {
		w.secret.parts = secretsOf(w.url, o)
	}
	return w
}

type webhook struct {
	name   string // the name of its constructor
	url    *url.URL
	secret *secret
	client *http.Client
	own    bool // whether client is the notifier's own
	render func(autoscale.Event) ([]byte, error)
	fault  error // what is wrong with the settings
}

// secret has the secrets of a webhook. It is behind a pointer because fmt shows a
// pointer as an address, even if it cannot call Format.
type secret struct {
	key    []byte
	header http.Header
	parts  []string // texts that no error may quote
}

// Validate reports what is wrong with the URL and the options.
func (w *webhook) Validate() error { return w.fault }

func (w *webhook) Notify(ctx context.Context, e autoscale.Event) error {
	if w.fault != nil {
		return fmt.Errorf("notify: %w", w.fault)
	}
	body, err := w.render(e)
	if err != nil {
		return fmt.Errorf("notify: webhook to %s: write the body: %w", w.url.Hostname(), err)
	}
	return w.send(ctx, body, nil)
}

// send delivers body within maxTime.
func (w *webhook) send(ctx context.Context, body []byte, accept func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if w.own {
		// If a connection was still being made when the context ended, the
		// transport goes on making it for a later request, unless idle connections
		// are closed.
		defer w.client.CloseIdleConnections()
	}
	if err := w.deliver(ctx, body, rand.Text(), accept); err != nil {
		return fmt.Errorf("notify: webhook to %s: %w", w.url.Hostname(), err)
	}
	return nil
}

// Format shows only the host, because the rest of the URL is secret.
func (w *webhook) Format(f fmt.State, _ rune) {
	host := "?"
	if w.url != nil {
		host = w.url.Hostname()
	}
	fmt.Fprintf(f, "notify.%s(%s)", w.name, host)
}

// parseTarget never repeats the URL, or a part of one that may have been parsed
// wrongly, because that is secret.
func parseTarget(target string, allowHTTP bool) (*url.URL, error) {
	if target == "" {
		return nil, errors.New("the webhook's URL is empty: give the one that the receiver shows")
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return nil, errors.New("the webhook's URL does not parse as a URL: copy it whole, beginning with https://")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("the webhook's URL must begin with https:// and a host")
	case strings.Contains(target, "#"):
		return nil, errors.New("the webhook's URL has a #, which is never sent: write %23 where it belongs to a password or a path")
	case u.Scheme == "http" && !allowHTTP && !plain.Loopback(u.Hostname()):
		return nil, errors.New("the webhook's URL begins with http://, which shows it to whoever listens: use https://, or set AllowHTTP")
	}
	return u, nil
}

// checkHeader reports names and values that cannot be sent. It repeats no value.
func checkHeader(h http.Header) error {
	var errs []error
	for name, values := range h {
		if name == "" || strings.ContainsFunc(name, notToken) {
			errs = append(errs, fmt.Errorf("the webhook's Header has the name %q: a name is letters, digits and hyphens", name))
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				errs = append(errs, fmt.Errorf("the webhook's Header %q has a line break or another control character in its value: remove it", name))
			}
		}
	}
	return errors.Join(errs...)
}

func notToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// newRenderer returns a function that makes the body for an event. It tries the
// template on two events, so that a fault in it is known before there is an event
// to send.
func newRenderer(text string, isJSON bool) (func(autoscale.Event) ([]byte, error), error) {
	if text == "" {
		return func(e autoscale.Event) ([]byte, error) { return json.Marshal(e) }, nil
	}
	t, err := template.New("Template").Funcs(template.FuncMap{"json": toJSON, "slack": slackText}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the webhook's Template does not parse: %w", err)
	}
	render := func(e autoscale.Event) ([]byte, error) {
		var b bytes.Buffer
		err := t.Execute(&b, e)
		return b.Bytes(), err
	}
	trial := autoscale.Event{Kind: autoscale.ScaleFailed, Name: `the "web"`, Detail: "two\nlines"}
	for _, trial.Err = range []error{nil, errors.New(`a "quoted" word`)} {
		body, err := render(trial)
		if err != nil {
			return nil, fmt.Errorf("the webhook's Template fails on an event: %w", err)
		}
		if isJSON && !json.Valid(body) {
			return nil, errors.New(`the webhook's Template does not write JSON where a text has quotes or line breaks: write each text as {{json .String}}, without quotes around it, or set another Content-Type in Header`)
		}
	}
	return render, nil
}

// toJSON is the template function json.
func toJSON(v any) (string, error) {
	if err, ok := v.(error); ok {
		v = err.Error()
	}
	b, err := json.Marshal(v)
	return string(b), err
}
