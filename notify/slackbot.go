package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

const (
	slackAPI = "https://slack.com/api"
	// maxThreads is for how many conditions a SlackBot remembers the thread.
	maxThreads = 64
	// maxSlackAnswer bounds how much of an answer is read. An answer repeats the message.
	maxSlackAnswer = 256 << 10
)

// SlackBot returns a notifier that posts each event to a channel of Slack, with the method
// chat.postMessage. The messages are those of [Slack]. Each condition has one thread. The
// first message reports that the condition has begun. The reminders, and the message that
// it has ended, are replies to that one. The message that it has ended is shown in the
// channel too.
//
// token is the app's bot token, which begins with xoxb-. The app needs the scope
// chat:write, and must be invited to the channel. channel is the ID of a channel, or its
// name. token is a secret. At most one ChatOptions may be given.
//
// The notifier remembers its last 64 threads, but not beyond the end of the process. After
// a restart, or if another process leads, the next notice of a condition begins a new
// thread. The notifier retries like a [Webhook]. If the answer to a message was lost, the
// message may be posted twice.
func SlackBot(token, channel string, options ...ChatOptions) autoscale.Notifier {
	o, err := oneOption(options)
	base := o.BaseURL
	if base == "" {
		base = slackAPI
	}
	b := &slackBot{channel: channel, page: pageLink(o.Page)}
	b.hook = newWebhook(strings.TrimSuffix(base, "/")+"/chat.postMessage", WebhookOptions{
		Client: o.Client, AllowHTTP: o.AllowHTTP,
		Header: http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json; charset=utf-8"}},
	})
	b.hook.name = "SlackBot"
	if b.hook.fault != nil {
		b.hook.fault = fmt.Errorf("ChatOptions.BaseURL, or the token: %w", b.hook.fault)
	}
	switch {
	case token == "":
		err = errors.Join(err, errors.New("SlackBot has an empty token: give the app's bot token, which begins with xoxb-"))
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		err = errors.Join(err, errors.New("SlackBot has a token with a space or another character that tokens do not have: copy it again"))
	}
	if channel == "" || len(channel) > 100 || strings.ContainsFunc(channel, func(r rune) bool { return r <= ' ' }) {
		err = errors.Join(err, errors.New("SlackBot has no usable channel: give its ID, as C0123456789, or its name, as #ops"))
	}
	b.hook.fault = errors.Join(b.hook.fault, err)
	return b
}

type slackBot struct {
	hook    *webhook
	channel string
	page    string

	mu      sync.Mutex
	threads []slackThread // the oldest first
}

// slackThread is the thread of a condition.
type slackThread struct {
	kind  autoscale.EventKind
	name  string
	since time.Time
	ts    string // the ID of its first message
}

// Validate reports what is wrong with the arguments.
func (b *slackBot) Validate() error { return b.hook.fault }

// Format shows only the host.
func (b *slackBot) Format(f fmt.State, verb rune) { b.hook.Format(f, verb) }

func (b *slackBot) Notify(ctx context.Context, e autoscale.Event) error {
	if b.hook.fault != nil {
		return fmt.Errorf("notify: %w", b.hook.fault)
	}
	m := composeSlack(e, words.Of(e), b.page)
	m.Channel = b.channel
	condition := e.Phase != autoscale.Occurred && !e.Since.IsZero()
	if condition {
		m.Thread = b.thread(e)
		m.Broadcast = m.Thread != "" && e.Phase == autoscale.Ended
	}
	ts, err := b.post(ctx, m)
	if m.Thread != "" && errors.Is(err, errNoThread) {
		// Somebody deleted its first message.
		m.Thread, m.Broadcast = "", false
		ts, err = b.post(ctx, m)
	}
	if err == nil && condition && m.Thread == "" {
		b.remember(e, ts)
	}
	return err
}

// post sends a message and returns its ID.
func (b *slackBot) post(ctx context.Context, m slackMessage) (ts string, err error) {
	body, err := encode(m)
	if err != nil {
		return "", fmt.Errorf("notify: webhook to %s: write the body: %w", b.hook.url.Hostname(), err)
	}
	err = b.hook.send(ctx, body, func(res *http.Response) (err error) {
		ts, err = b.answer(res)
		return err
	})
	return ts, err
}

// errNoThread means that there is no message to reply to.
var errNoThread = errors.New("the thread does not exist any more")

// slackAdvice says what to do about an error of chat.postMessage.
var slackAdvice = map[string]string{
	"channel_not_found": "check the channel, and invite the app to it if it is private",
	"not_in_channel":    "invite the app to the channel",
	"is_archived":       "name a channel that is not archived",
	"invalid_auth":      "check the token", "not_authed": "check the token", "token_revoked": "make a new token", "token_expired": "make a new token",
	"account_inactive": "make a new token", "missing_scope": "give the app the scope chat:write, and install it again",
	"restricted_action": "let the app post to this channel",
}

// answer reads the answer to chat.postMessage. Its status is 200 even if there is an
// error.
func (b *slackBot) answer(res *http.Response) (ts string, err error) {
	text, err := io.ReadAll(io.LimitReader(res.Body, maxSlackAnswer+1))
	if err != nil {
		return "", errors.New("the answer broke off, so it is not known whether the message was posted")
	}
	var answer struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	if len(text) > maxSlackAnswer || json.Unmarshal(text, &answer) != nil || answer.OK == nil {
		return "", errors.New("the answer is not one of Slack's: check ChatOptions.BaseURL and what stands between")
	}
	if *answer.OK {
		if len(answer.TS) > 40 || strings.Trim(answer.TS, "0123456789.") != "" {
			return "", nil // it was posted, but one cannot reply to it
		}
		return answer.TS, nil
	}
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	word := answer.Error
	if word == "" || utf8.RuneCountInString(word) > 60 || strings.ContainsFunc(word, odd) || b.hook.quotes(word) {
		return "", errors.New("Slack refuses the message without a reason that can be repeated")
	}
	switch word {
	case "ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return "", &againError{fmt.Errorf("Slack answers %s", word), retryAfter(res.Header.Get("Retry-After"), time.Now())}
	case "thread_not_found", "invalid_thread_ts", "message_not_found", "cannot_reply_to_message":
		return "", fmt.Errorf("Slack answers %s: %w", word, errNoThread)
	}
	if advice := slackAdvice[word]; advice != "" {
		return "", fmt.Errorf("Slack answers %s: %s", word, advice)
	}
	return "", fmt.Errorf("Slack answers %s", word)
}

func (t slackThread) of(e autoscale.Event) bool {
	return t.kind == e.Kind && t.name == e.Name && t.since.Equal(e.Since)
}

// thread returns the ID of the first message of e's condition. Empty: there is none.
func (b *slackBot) thread(e autoscale.Event) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.threads {
		if t.of(e) {
			return t.ts
		}
	}
	return ""
}

// remember keeps the first message of e's condition.
func (b *slackBot) remember(e autoscale.Event, ts string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.threads[:0]
	for _, t := range b.threads {
		if !t.of(e) {
			kept = append(kept, t)
		}
	}
	b.threads = kept
	if ts == "" || e.Phase == autoscale.Ended {
		return
	}
	if len(b.threads) >= maxThreads {
		b.threads = append(b.threads[:0], b.threads[1:]...)
	}
	b.threads = append(b.threads, slackThread{e.Kind, e.Name, e.Since, ts})
}
