package status

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// clock writes a time in UTC, which the script shows in the zone of the viewer.
func clock(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2 Jan 15:04:05 UTC") + `</time>`)
}

// timed writes a sentence with the times in it as clock does.
func timed(sentence string) template.HTML {
	var b strings.Builder
	names.Times(sentence, func(s string) { template.HTMLEscape(&b, []byte(s)) }, func(t time.Time) { b.WriteString(string(clock(t))) })
	return template.HTML(b.String())
}

// Format writes the title, and none of the secrets.
func (o Options) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "status.Options(%q)", o.Title) }

// MarshalJSON writes what Format does.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

// Format writes the title, and none of the secrets.
func (p *Page) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "status.Page(%q)", p.opts.Title) }

// MarshalJSON writes what Format does.
func (p *Page) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(p)) }
