package notify

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

// maxSlack is how many characters a text to Slack has at most. Slack recommends fewer
// than 4,000, and cuts a text that is much longer.
const maxSlack = 3000

// Slack returns a notifier that posts each event to an incoming webhook of Slack. The
// message says what happened, why, what to do and what happens next, beside a bar in the
// colour of the event's level. url is a secret. At most one ChatOptions may be given.
//
// An incoming webhook cannot post to threads. [SlackBot] can.
//
// The message also has a plain text, for services that understand only that, such as
// Mattermost.
//
// For messages of another form, use [Webhook] with
//
//	WebhookOptions{Template: `{"text":{{slack .String | json}}}`}
func Slack(url string, options ...ChatOptions) autoscale.Notifier {
	return chat("Slack", url, options, func(e autoscale.Event, m words.Message, page string) any {
		return composeSlack(e, m, page)
	})
}

// slackMessage is the body for an incoming webhook and for chat.postMessage. Texts from
// others are only in plain_text objects, in which Slack does not look for markup.
type slackMessage struct {
	Channel   string `json:"channel,omitempty"`
	Thread    string `json:"thread_ts,omitempty"`
	Broadcast bool   `json:"reply_broadcast,omitempty"`

	Text        string            `json:"text"` // for notifications, screen readers, and services without blocks
	Mrkdwn      bool              `json:"mrkdwn"`
	Blocks      []slackBlock      `json:"blocks"`
	Attachments []slackAttachment `json:"attachments"`
	UnfurlLinks bool              `json:"unfurl_links"`
	UnfurlMedia bool              `json:"unfurl_media"`
}

type slackAttachment struct {
	Color    string       `json:"color"`
	Fallback string       `json:"fallback"`
	Blocks   []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string        `json:"type"`
	Text     *slackObject  `json:"text,omitempty"`
	Elements []slackObject `json:"elements,omitempty"`
}

type slackObject struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji *bool  `json:"emoji,omitempty"`
}

func slackPlain(text string) slackObject {
	return slackObject{Type: "plain_text", Text: text, Emoji: new(bool)}
}

func composeSlack(e autoscale.Event, m words.Message, page string) slackMessage {
	header := slackPlain(m.Title)
	var blocks []slackBlock
	for _, p := range m.Parts() {
		text := p.Text
		if p.Label != "" {
			text = p.Label + ": " + text
		}
		section := slackPlain(text)
		blocks = append(blocks, slackBlock{Type: "section", Text: &section})
	}
	context := []slackObject{slackPlain(m.Facts)}
	text := m.Text()
	if page != "" {
		context = append(context, slackObject{Type: "mrkdwn", Text: "<" + strings.ReplaceAll(page, "&", "&amp;") + "|Status page>"})
	}
	return slackMessage{
		Text: slackText(silent(text)), Blocks: []slackBlock{{Type: "header", Text: &header}},
		Attachments: []slackAttachment{{
			Color: fmt.Sprintf("#%06X", words.ToneOf(e).Colour()), Fallback: slackText(silent(m.Title)),
			Blocks: append(blocks, slackBlock{Type: "context", Elements: context}),
		}},
	}
}

// silent changes @channel and the like so that they do not notify everybody in
// services that read the plain text.
func silent(text string) string { return strings.ReplaceAll(text, "@", "@\u200b") }

// slackText escapes text that Slack would take for markup, including mentions of a
// whole channel. It cuts the text to maxSlack, between characters.
func slackText(text string) string {
	var b strings.Builder
	size := 0
	for _, r := range text {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		}
		size += utf8.RuneCountInString(piece)
		if size > maxSlack-1 {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}
