package notify

import (
	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

// Teams returns a notifier that posts each event to Microsoft Teams, as an Adaptive Card
// with a title in the colour of the event's level. url is a secret. It is the URL of a
// workflow that posts what its webhook receives to a chat or a channel. Teams has a
// template for such a workflow: "Send webhook alerts to a channel". At most one
// ChatOptions may be given.
//
// The workflow answers before the card is posted. So if Teams refuses a card later, only
// the history of the workflow shows that.
//
// For messages of another form, use [Webhook] with a template. See its example.
func Teams(url string, options ...ChatOptions) autoscale.Notifier {
	return chat("Teams", url, options, composeTeams)
}

type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"` // null, as in the workflow's schema
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string         `json:"$schema"`
	Type    string         `json:"type"`
	Version string         `json:"version"`
	Teams   teamsWidth     `json:"msteams"`
	Body    []teamsElement `json:"body"`
	Actions []teamsAction  `json:"actions,omitempty"`
}

type teamsWidth struct {
	Width string `json:"width"`
}

// teamsElement is a Container or a RichTextBlock. Texts from others are only in the runs
// of a RichTextBlock, which have no Markdown. A TextBlock has.
type teamsElement struct {
	Type    string         `json:"type"`
	Style   string         `json:"style,omitempty"`
	Bleed   bool           `json:"bleed,omitempty"`
	Spacing string         `json:"spacing,omitempty"`
	Items   []teamsElement `json:"items,omitempty"`
	Inlines []teamsRun     `json:"inlines,omitempty"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type teamsAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func composeTeams(e autoscale.Event, m words.Message, page string) any {
	style := map[words.Tone]string{words.Quiet: "emphasis", words.Info: "accent", words.Good: "good", words.Warning: "warning", words.Broken: "attention"}[words.ToneOf(e)]
	text := func(spacing string, runs ...teamsRun) teamsElement {
		return teamsElement{Type: "RichTextBlock", Spacing: spacing, Inlines: runs}
	}
	body := []teamsElement{{
		Type: "Container", Style: style, Bleed: true,
		Items: []teamsElement{text("", teamsRun{Type: "TextRun", Text: m.Title, Weight: "Bolder", Size: "Medium"})},
	}}
	for _, p := range m.Parts() {
		var runs []teamsRun
		if p.Label != "" {
			runs = append(runs, teamsRun{Type: "TextRun", Text: p.Label + ": ", Weight: "Bolder"})
		}
		body = append(body, text("Small", append(runs, teamsRun{Type: "TextRun", Text: p.Text})...))
	}
	body = append(body, text("Medium", teamsRun{Type: "TextRun", Text: m.Facts, Size: "Small", Subtle: true}))
	card := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Teams: teamsWidth{"Full"}, Body: body,
	}
	if page != "" {
		card.Actions = []teamsAction{{Type: "Action.OpenUrl", Title: "Status page", URL: page}}
	}
	return teamsMessage{Type: "message", Attachments: []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: card}}}
}
