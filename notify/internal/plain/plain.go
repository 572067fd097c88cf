// Package plain holds what the notifiers share: texts that are safe to show,
// and which hosts are this machine.
package plain

import (
	"net"
	"strings"
	"unicode"
)

// Line makes one line of text, of at most limit runes: whatever is no printable
// character, line breaks and terminal sequences among them, becomes a space, and
// spaces that follow each other become one. An ellipsis stands for what was cut.
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	return Cut(strings.Join(strings.Fields(text), " "), limit)
}

// Cut cuts text to at most limit runes, the last of which is then an ellipsis.
func Cut(text string, limit int) string {
	end, runes := 0, 0 // end: of limit-1 runes
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
