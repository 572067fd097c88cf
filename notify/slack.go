package notify

import (
	"strings"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
)

// maxSlack is how many characters a message to Slack has at most. Slack advises
// fewer than 4,000, and cuts what is much longer.
const maxSlack = 3000

const slackTemplate = `{"text":{{slack .String | json}}}`

// Slack returns a notifier that posts each event's sentence to an incoming
// webhook of Slack, or of what understands the same, as Mattermost does. url is
// a secret. It is
//
//	Webhook(url, WebhookOptions{Template: `{"text":{{slack .String | json}}}`})
//
// which is where to begin for messages of another form.
func Slack(url string) autoscale.Notifier {
	return Webhook(url, WebhookOptions{Template: slackTemplate})
}

// slackText escapes what Slack would take for markup, mentions of a whole
// channel among them, and cuts the text, between characters, to maxSlack.
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
