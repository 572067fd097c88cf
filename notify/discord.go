package notify

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

// The most characters that Discord takes in the parts of an embed.
const (
	maxDiscordTitle = 256
	maxDiscordText  = 4096
	maxDiscordField = 1024
)

// Discord returns a notifier that posts each event to a webhook of Discord, as an embed
// with a bar in the colour of the event's level. url is a secret. At most one ChatOptions
// may be given. No message mentions anybody, whatever its text.
//
// For messages of another form, use [Webhook] with a template. See its example.
func Discord(url string, options ...ChatOptions) autoscale.Notifier {
	return chat("Discord", url, options, func(e autoscale.Event, m words.Message, page string) any {
		embed := discordEmbed{
			Title: discordText(m.Title, maxDiscordTitle), URL: page, Color: words.ToneOf(e).Colour(), Footer: discordFooter{m.Facts},
		}
		if !e.Time.IsZero() {
			embed.Timestamp = e.Time.UTC().Format(time.RFC3339)
		}
		for _, p := range m.Parts() {
			if p.Label == "" {
				embed.Description = discordText(p.Text, maxDiscordText)
			} else {
				embed.Fields = append(embed.Fields, discordField{p.Label, discordText(p.Text, maxDiscordField)})
			}
		}
		return discordMessage{Embeds: []discordEmbed{embed}, Mentions: discordMentions{Parse: []string{}}}
	})
}

type discordMessage struct {
	Embeds   []discordEmbed  `json:"embeds"`
	Mentions discordMentions `json:"allowed_mentions"`
}

type discordMentions struct {
	Parse []string `json:"parse"` // empty, and not null: none
}

type discordEmbed struct {
	Title       string         `json:"title"`
	URL         string         `json:"url,omitempty"`
	Description string         `json:"description"`
	Color       int            `json:"color"`
	Fields      []discordField `json:"fields,omitempty"`
	Footer      discordFooter  `json:"footer"` // has no Markdown
	Timestamp   string         `json:"timestamp,omitempty"`
}

type discordField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type discordFooter struct {
	Text string `json:"text"`
}

// discordText escapes text that Discord would take for Markdown, a mention, an emoji
// or a link. It cuts the text to limit, between characters.
func discordText(text string, limit int) string {
	var b strings.Builder
	size := 0
	lead := true // there were only digits before, or nothing
	for i, r := range text {
		piece := string(r)
		switch {
		case strings.ContainsRune("\\*_~`|><#[]()@:", r), i == 0 && (r == '-' || r == '+'), lead && i > 0 && r == '.':
			piece = `\` + piece
		}
		lead = lead && r >= '0' && r <= '9'
		n := utf8.RuneCountInString(piece)
		if rest := utf8.RuneCountInString(text[i:]); size+n > limit-1 && (size+n > limit || rest > 1) {
			b.WriteString("…")
			break
		}
		size += n
		b.WriteString(piece)
	}
	return b.String()
}
