package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// maxTries is the most times that an event is sent to one webhook.
	maxTries = 3
	// firstPause is the shortest pause after the first try. It doubles with each
	// try.
	firstPause = 500 * time.Millisecond
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 10
	// maxRetryAfter is the longest Retry-After. A longer one is shortened to this.
	maxRetryAfter = 24 * time.Hour
)

// newClient returns a client that does not follow redirects. A webhook that was
// redirected would hand the event and the headers to somebody else.
func newClient(base *http.Client) *http.Client {
	if base != nil {
		return outbound.Client(*base)
	}
	// Events are rare. The other side would close a connection long before the next
	// event.
	t := outbound.NewTransport()
	t.DisableKeepAlives = true
	return outbound.Client(http.Client{Transport: t})
}

// againError is the error of a try after which another try can help.
type againError struct {
	error
	after time.Duration // the wait that the answer asked for; 0: none
}

func (e *againError) Unwrap() error { return e.error }

// deliver posts body until it is accepted, is refused for good, or there is no time
// for another try. accept checks an answer that reports success. If accept is nil,
// every such answer is good.
func (w *webhook) deliver(ctx context.Context, body []byte, key string, accept func(*http.Response) error) error {
	for try := 1; ; try++ {
		err := w.post(ctx, body, key, accept)
		var again *againError
		if err == nil || !errors.As(err, &again) {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("%w, after %d tries", err, try)
		}
		pause := firstPause << (try - 1)
		pause = max(again.after, pause+rand.N(pause))
		// If the context ends before the pause does, waiting would not help.
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
			return fmt.Errorf("%w, and no time is left for another try in %v", err, pause.Round(time.Millisecond))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w, and then the context ended: %w", err, context.Cause(ctx))
		}
	}
}

// post tries once.
func (w *webhook) post(ctx context.Context, body []byte, key string, accept func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return w.withoutSecrets(err)
	}
	req.Header = w.secret.header.Clone()
	req.Header.Set(HeaderIdempotencyKey, key)
	if len(w.secret.key) > 0 {
		req.Header.Set(HeaderSignature, sign(w.secret.key, body, time.Now()))
	}
	res, err := w.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer before the context ended: %w", context.Cause(ctx))
		}
		err = w.withoutSecrets(err)
		if outbound.KindOf(err) == outbound.Certificate {
			return err
		}
		return &againError{error: err}
	}
	defer res.Body.Close()
	if accept != nil && res.StatusCode >= 200 && res.StatusCode <= 299 {
		return accept(res)
	}
	return w.judge(res)
}

// judge returns what an answer means. It reads the body only if that can add
// something, because a body that never ends must not undo a success.
func (w *webhook) judge(res *http.Response) error {
	status := res.StatusCode
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return &againError{fmt.Errorf("status %d", status), retryAfter(res.Header.Get("Retry-After"), time.Now())}
	case status >= 300 && status <= 399:
		return fmt.Errorf("status %d redirects, and redirects are not followed: give a URL that does not redirect", status)
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return fmt.Errorf("status %d%s: it does not take this body: check the Template and its length", status, w.word(res.Body))
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		return fmt.Errorf("status %d%s: check that the URL is whole, and that the webhook still exists and may be used", status, w.word(res.Body))
	}
	return fmt.Errorf("status %d%s", status, w.word(res.Body))
}

// retryAfter reads a Retry-After, which is a date or a number of seconds. Discord
// sends seconds with decimals. If it is neither, or lies in the past, the result is
// 0.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	// ParseFloat also reads 1e9, 0x1p4 and NaN, which a server never means.
	if decimals := strings.Trim(value, "0123456789"); decimals == "." {
		if seconds, err := strconv.ParseFloat(value, 64); err == nil {
			return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
		}
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// word returns an answer's body, in parentheses, if that is a single word. Slack
// reports what is wrong with such a word (no_service, channel_is_archived). Nothing
// else is repeated, because an error page may quote the URL.
func (w *webhook) word(body io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(body, maxAnswer))
	text := strings.TrimSpace(string(b))
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	if text == "" || len(text) > 40 || strings.ContainsFunc(text, odd) || w.quotes(text) || strings.Contains(w.url.String(), text) {
		return ""
	}
	return " (" + text + ")"
}

// withoutSecrets unwraps the errors of net/http that quote the whole URL. It drops
// an error that quotes a part of the URL in its own words, as other transports do.
func (w *webhook) withoutSecrets(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	if err == nil || w.quotes(err.Error()) {
		return errors.New("the request failed, and its error is withheld because it quotes a secret")
	}
	return outbound.Clean(err)
}

// quotes reports whether text holds anything secret.
func (w *webhook) quotes(text string) bool {
	for _, s := range w.secret.parts {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// How long a part of a URL, and a password, must be for texts to be searched for
// it. Shorter ones, such as "api", are found by chance.
const (
	shortestPart     = 8
	shortestPassword = 4
)

// secretsOf returns the parts of a webhook's settings that no error may quote.
func secretsOf(u *url.URL, o WebhookOptions) []string {
	var secrets []string
	add := func(s string, shortest int) {
		if len(s) >= shortest {
			secrets = append(secrets, s)
		}
	}
	for _, text := range []string{u.EscapedPath(), u.Path, u.RawQuery} {
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/&=", r) }) {
			add(part, shortestPart)
			if raw, err := url.QueryUnescape(part); err == nil {
				add(raw, shortestPart)
			}
		}
	}
	if p, ok := u.User.Password(); ok {
		add(p, shortestPassword)
	}
	add(u.User.Username(), shortestPart)
	add(o.Secret, shortestPassword)
	for _, values := range o.Header {
		for _, v := range values {
			for part := range strings.FieldsSeq(v) { // such as Bearer and the token
				add(part, shortestPart)
			}
		}
	}
	return secrets
}
