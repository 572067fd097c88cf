package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

// ChatOptions are options of [Slack], [SlackBot], [Discord] and [Teams]. The zero value
// has the defaults. They show no secret if they are formatted or encoded as JSON.
type ChatOptions struct {
	// Page is the URL of the status page, beginning with https:// or http://. Each message
	// links to it. Everybody in the channel can read it, so it must not hold a password.
	// Empty: no link.
	Page string `json:"-"`

	// BaseURL is the URL under which the methods of Slack's Web API are. Only SlackBot
	// uses it. Empty: https://slack.com/api.
	BaseURL string `json:"-"`

	// Client sends the requests, see WebhookOptions.Client. Nil: a client of the
	// notifier's own.
	Client *http.Client `json:"-"`

	// AllowHTTP permits an unencrypted URL, see WebhookOptions.AllowHTTP.
	AllowHTTP bool
}

// Format writes the options without anything that may be secret.
func (o ChatOptions) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "notify.ChatOptions(page: %t, BaseURL: %t, AllowHTTP: %t)", o.Page != "", o.BaseURL != "", o.AllowHTTP)
}

// checkPage never repeats the URL, because somebody may have put a password into it.
func checkPage(page string) error {
	return plain.CheckPage("ChatOptions.Page", "everybody in the channel", page)
}

// pageLink is the page's URL without characters that end a link in a message.
func pageLink(page string) string {
	return strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", `"`, "%22", " ", "%20", "(", "%28", ")", "%29").Replace(page)
}

// oneOption returns the only element of options.
func oneOption(options []ChatOptions) (ChatOptions, error) {
	switch len(options) {
	case 0:
		return ChatOptions{}, nil
	case 1:
		return options[0], checkPage(options[0].Page)
	}
	return options[0], fmt.Errorf("there are %d ChatOptions: give at most one", len(options))
}

// chat returns a webhook. compose makes its bodies from events.
func chat(name, target string, options []ChatOptions, compose func(e autoscale.Event, m words.Message, page string) any) *webhook {
	o, err := oneOption(options)
	w := newWebhook(target, WebhookOptions{Client: o.Client, AllowHTTP: o.AllowHTTP})
	w.name = name
	w.fault = errors.Join(w.fault, err)
	page := pageLink(o.Page)
	w.render = func(e autoscale.Event) ([]byte, error) { return encode(compose(e, words.Of(e), page)) }
	return w
}

// encode writes JSON in which < and > are one byte each, so that a body is as long as it
// seems.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
