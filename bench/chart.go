package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// The chart is one large panel, the mean of the loads, and a small one for each.
const (
	chartWidth  = 1000
	largeHeight = 460
	smallHeight = 270
	columns     = 2
	marginLeft  = 52
	marginRight = 14
	marginTop   = 34
	marginFoot  = 40
)

// style is how a family is drawn. Styles differ in form too, for readers who cannot see
// colours.
type style struct {
	family, colour, dash string
	mark                 byte
	large                bool // in the large panel alone
}

var styles = []style{
	{clairvoyant, "#555555", "2 3", 'o', false},
	{presentRate, "#8c959f", "1 3", 'o', false},
	{foresight, "#8c959f", "6 2", 'o', false},
	{ours, "#d1242f", "", 'o', false},
	{oneShare, "#e16f24", "", 't', false},
	{idealView, "#ff8182", "4 2", 'o', true},
	{kubernetes, "#1f6feb", "7 3", 's', false},
	{knative, "#1a7f37", "7 3 2 3", 't', false},
	{heartbeat, "#bc4c00", "", 'x', true},
	{heroku, "#8250df", "", 's', true},
	{"AWS target tracking", "#9a6700", "", 't', true},
	{"Judoscale", "#0598bc", "", 'o', true},
	{"HireFire p95", "#bf3989", "", 'x', true},
	{"React", "#6e7781", "", 's', true},
}

// The scales of the panels: violations from 0.5 to 20 percent, logarithmic, and cost.
const (
	leftmost, rightmost = .5, 20.0
	lowest, highest     = .9, 2.2
)

// panel is one chart.
type panel struct{ x, y, width, height float64 }

func (p panel) at(o outcome) (x, y float64, ok bool) {
	v := 100 * o.violations
	return p.px(v), p.py(o.cost), v >= leftmost && v <= rightmost && o.cost >= lowest && o.cost <= highest
}

func (p panel) px(v float64) float64 {
	return p.x + p.width*math.Log(v/leftmost)/math.Log(rightmost/leftmost)
}

func (p panel) py(cost float64) float64 {
	return p.y + p.height*(highest-cost)/(highest-lowest)
}

// chart draws the fronts as an SVG.
func chart(r *results) []byte {
	rows := (len(r.scene.loads) + columns - 1) / columns
	var w bytes.Buffer
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#24292f">`+"\n",
		chartWidth, largeHeight+rows*smallHeight)
	fmt.Fprintf(&w, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n")
	large := panel{marginLeft, marginTop, chartWidth - marginLeft - 210, largeHeight - marginTop - marginFoot}
	r.draw(&w, large, "Mean of the loads", -1)
	legend(&w, r, chartWidth-195, marginTop)
	width := float64(chartWidth) / columns
	for i, l := range r.scene.loads {
		r.draw(&w, panel{
			float64(i%columns)*width + marginLeft, float64(largeHeight+i/columns*smallHeight) + marginTop,
			width - marginLeft - marginRight, smallHeight - marginTop - marginFoot,
		}, l.name, i)
	}
	w.WriteString("</svg>\n")
	return w.Bytes()
}

func (r *results) draw(w *bytes.Buffer, p panel, title string, load int) {
	fmt.Fprintf(w, `<text x="%.1f" y="%.1f" font-weight="bold">%s</text>`+"\n", p.x, p.y-12, html.EscapeString(title))
	for _, v := range []float64{.5, 1, 2, 3, 5, 10, 20} {
		fmt.Fprintf(w, `<path d="M%.1f %.1fV%.1f" stroke="#d0d7de"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#57606a">%g %%</text>`+"\n",
			p.px(v), p.y, p.y+p.height, p.px(v), p.y+p.height+15, v)
	}
	for cost := 1.0; cost < highest; cost += .2 {
		fmt.Fprintf(w, `<path d="M%.1f %.1fH%.1f" stroke="#d0d7de"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#57606a">%.1f</text>`+"\n",
			p.x, p.py(cost), p.x+p.width, p.x-6, p.py(cost)+4, cost)
	}
	fmt.Fprintf(w, `<text x="%.1f" y="%.1f" text-anchor="end" fill="#57606a">across: requests over %v or failed; up: process-hours over the demand's</text>`+"\n",
		p.x+p.width, p.y+p.height+31, objective.Latency)
	for _, s := range styles {
		if s.large && load >= 0 {
			continue
		}
		line := ""
		for _, x := range r.family(s.family) {
			px, py, ok := p.at(x.at(load))
			if !ok {
				continue
			}
			command := "L"
			if line == "" {
				command = "M"
			}
			line += fmt.Sprintf("%s%.1f %.1f", command, px, py)
			s.put(w, px, py, x.name())
		}
		if line != "" {
			fmt.Fprintf(w, `<path d="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/>`+"\n", line, s.colour, s.dash)
		}
	}
}

// put draws a mark.
func (s style) put(w *bytes.Buffer, x, y float64, title string) {
	forms := map[byte]string{
		'o': "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", 's': "M-3.5 -3.5h7v7h-7Z",
		't': "M0 -4.5L4.5 3.5H-4.5Z", 'x': "M-4 -4L4 4M4 -4L-4 4",
	}
	fmt.Fprintf(w, `<path transform="translate(%.1f %.1f)" d="%s" fill="%s" stroke="%s" stroke-width="1.5"><title>%s</title></path>`+"\n",
		x, y, forms[s.mark], s.colour, s.colour, html.EscapeString(title))
}

func legend(w *bytes.Buffer, r *results, x, y float64) {
	for _, s := range styles {
		if len(r.family(s.family)) == 0 {
			continue
		}
		fmt.Fprintf(w, `<path d="M%.1f %.1fh28" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/>`+"\n", x, y, s.colour, s.dash)
		s.put(w, x+14, y, s.family)
		fmt.Fprintf(w, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x+36, y+4, html.EscapeString(s.family))
		y += 21
	}
}
