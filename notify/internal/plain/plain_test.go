package plain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"as it is", 10, "as it is"},
		{" a\r\n\tb\x00\x1b[2J\u2028c\u202e ", 20, "a b [2J c"},
		{"日本語です", 5, "日本語です"},
		{"日本語です", 4, "日本語…"},
		{"ab", 1, "…"},
		{"a\xffb", 5, "a\ufffdb"},
	} {
		if got := plain.Line(tc.text, tc.limit); got != tc.want {
			t.Errorf("Line(%q, %d) is %q, want %q", tc.text, tc.limit, got, tc.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\r\nb", 3)
	f.Add(strings.Repeat("日", 50), 10)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 1 || limit > 1000 {
			t.Skip()
		}
		got := plain.Line(text, limit)
		if n := utf8.RuneCountInString(got); n > limit || !utf8.ValidString(got) {
			t.Errorf("Line(%q, %d) is %q", text, limit, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Line(%q, %d) is %q, which is no plain line", text, limit, got)
		}
	})
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "a.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "notlocalhost": false, "10.0.0.1": false, "::": false,
	} {
		if got := plain.Loopback(host); got != want {
			t.Errorf("Loopback(%q) is %t", host, got)
		}
	}
}
