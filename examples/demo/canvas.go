package main

import (
	"strings"
	"unicode/utf8"
)

// style is how a cell is shown: the number in a terminal's escape sequence.
type style string

const (
	normal style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "34"
)

type cell struct {
	r     rune
	style style
}

// A canvas is a rectangle of cells. What is put outside of it is not shown.
type canvas struct {
	width, height int
	cells         []cell
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, cells: make([]cell, width*height)}
	for i := range c.cells {
		c.cells[i].r = ' '
	}
	return c
}

func (c *canvas) set(x, y int, r rune, st style) {
	if x >= 0 && x < c.width && y >= 0 && y < c.height {
		c.cells[y*c.width+x] = cell{r, st}
	}
}

// text writes in one row, and says with three dots that something did not fit.
func (c *canvas) text(x, y int, st style, text string) {
	for i, r := range []rune(text) {
		if x+i == c.width-1 && x+utf8.RuneCountInString(text) > c.width {
			r = '…'
		}
		c.set(x+i, y, r, st)
	}
}

// paragraph writes text in at most so many rows from y on, which end between
// words. The text is ASCII.
func (c *canvas) paragraph(x, y, rows int, st style, text string) {
	left := text
	for i := range rows {
		fits := max(1, c.width-x-1)
		if len(left) <= fits || i == rows-1 {
			c.text(x, y+i, st, left)
			return
		}
		cut := strings.LastIndexByte(left[:fits+1], ' ')
		if cut <= 0 {
			cut = fits
		}
		c.text(x, y+i, st, left[:cut])
		left = strings.TrimLeft(left[cut:], " ")
	}
}

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// bar draws a column of height rows that ends above y, filled to a share of 0 to
// 1. A value above 0 is always seen.
func (c *canvas) bar(x, y, height int, share float64, st style) {
	if share <= 0 {
		return
	}
	full := max(1, int(min(share, 1)*float64(height*8)+0.5))
	for row := range height {
		part := min(8, full-8*row)
		if part <= 0 {
			return
		}
		c.set(x, y-1-row, eighths[part], st)
	}
}

// rows returns the canvas as lines.
func (c *canvas) rows(color bool) []string {
	rows := make([]string, c.height)
	for y := range rows {
		var b strings.Builder
		now := normal
		for _, cell := range c.cells[y*c.width : (y+1)*c.width] {
			if color && cell.style != now {
				now = cell.style
				b.WriteString("\x1b[0")
				if now != normal {
					b.WriteString(";" + string(now))
				}
				b.WriteByte('m')
			}
			b.WriteRune(cell.r)
		}
		if now != normal {
			b.WriteString("\x1b[0m")
		}
		rows[y] = b.String()
	}
	return rows
}
