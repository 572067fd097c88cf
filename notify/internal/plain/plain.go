// Package plain has functions that the notifiers share, to make texts safe to show,
// and to find out whether a host is this machine.
package plain

import (
	"net"
	"strings"
	"unicode"
)

// Line makes one line of text, of at most limit runes. Every character that is not
// printable becomes a space, including line breaks and terminal sequences. Several
// spaces in a row become one. If the text was cut, it ends with an ellipsis.
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	return Cut(strings.Join(strings.Fields(text), " "), limit)
}

// Cut cuts text to at most limit runes. If it was cut, the last one is an ellipsis.
func Cut(text string, limit int) string {
	end, runes := 0, 0 // end is the end of the first limit-1 runes
	for i := range text {
		if runes == limit-1 {
			end = i
		}
		if runes == limit {
			return text[:end] + "…"
		}
		runes++
	}
	return text
}

// Loopback reports whether host, a name or an address, is this machine.
func Loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
