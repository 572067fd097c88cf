package email

import (
	"context"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/internal/picture"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

// maxPicture is how long a mail waits for its picture.
const maxPicture = time.Second

// picture draws the hour before e. It returns nil if that takes too long or fails,
// because a mail without a picture is better than no mail.
func (n *notifier) picture(ctx context.Context, e autoscale.Event) *picture.Picture {
	if n.history == nil || !n.asking.CompareAndSwap(false, true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxPicture)
	defer cancel()
	drawn := make(chan *picture.Picture, 1)
	go func() {
		defer n.asking.Store(false)
		drawn <- draw(ctx, n.history, e)
	}()
	select {
	case p := <-drawn:
		return p
	case <-ctx.Done():
		return nil
	}
}

// draw recovers a panic of the host's function.
func draw(ctx context.Context, of func(context.Context) (*history.Log, error), e autoscale.Event) (hour *picture.Picture) {
	defer func() {
		if recover() != nil {
			hour = nil
		}
	}()
	log, err := of(ctx)
	if err != nil || log == nil {
		return nil
	}
	p, ok := picture.Draw(log.Points(), e.Time)
	if !ok {
		return nil
	}
	return &p
}

// page is the data that the HTML of a mail shows.
type page struct {
	words.Message
	Parts             []words.Part
	Tone              template.CSS
	Rows              []row
	Page              string
	Picture           *picture.Picture
	Source            template.URL
	W, H              int
	Size, Recommended template.CSS
	Load, Bound       template.CSS
}

// css writes a colour.
func css(rgb int) template.CSS { return template.CSS(fmt.Sprintf("#%06X", rgb)) }

// html returns the message as HTML. Mail programs understand only attributes, tables and
// inline styles.
func (n *notifier) html(e autoscale.Event, m words.Message, hour *picture.Picture, cid string) (string, error) {
	var b strings.Builder
	err := layout.Execute(&b, page{
		Message: m, Parts: m.Parts(), Tone: css(words.ToneOf(e).Colour()), Rows: rows(e), Page: n.page,
		Picture: hour, Source: template.URL("cid:" + cid), W: picture.Width, H: picture.Height,
		Size: css(picture.SizeColour), Recommended: css(picture.RecommendedColour), Load: css(picture.LoadColour), Bound: css(picture.BoundColour),
	})
	return b.String(), err
}

var layout = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{{.Title}}</title>
</head>
<body style="margin:0;padding:16px;background:#F3F5F7;color:#1F2933;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:648px;margin:0 auto;background:#FFFFFF;border-left:6px solid {{.Tone}};border-collapse:collapse">
<tr><td style="padding:20px 24px 24px">
<h1 style="margin:0 0 12px;font-size:20px;line-height:1.3;overflow-wrap:anywhere">{{.Title}}</h1>
{{range .Parts}}<p style="margin:0 0 10px;overflow-wrap:anywhere">{{with .Label}}<strong>{{.}}:</strong> {{end}}{{.Text}}</p>
{{end}}{{with .Picture}}<p style="margin:18px 0 6px;font-size:13px;color:#4A5560">The last hour, times in UTC.
<span style="color:{{$.Size}}">&#9632;</span>&nbsp;size
{{if .Recommended}}<span style="color:{{$.Recommended}}">&#9632;</span>&nbsp;recommended
{{end}}<span style="color:{{$.Bound}}">&#9632;</span>&nbsp;bounds
{{with .Load}}<span style="color:{{$.Load}}">&#9632;</span>&nbsp;{{.}}
{{end}}</p>
<img src="{{$.Source}}" width="{{$.W}}" height="{{$.H}}" alt="{{.Text}}" style="display:block;width:100%;max-width:{{$.W}}px;height:auto;border:1px solid #E6EAEE">
{{end}}{{with .Page}}<p style="margin:18px 0 0"><a href="{{.}}" style="color:#1E6FD9">Open the status page</a></p>
{{end}}<table cellpadding="0" cellspacing="0" style="margin:18px 0 0;font-size:13px;color:#4A5560;border-collapse:collapse">
{{range .Rows}}<tr><th scope="row" align="left" valign="top" style="padding:2px 16px 2px 0;font-weight:normal;white-space:nowrap">{{.Name}}</th><td valign="top" style="padding:2px 0;overflow-wrap:anywhere">{{.Value}}</td></tr>
{{end}}</table>
</td></tr>
</table>
</body>
</html>
`))
