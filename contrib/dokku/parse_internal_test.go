package dokku

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int{
		"-----> Scaling for shop\nproctype: qty\n--------: ---\nweb:  2\nworker: 0\n": 2,
		"web: 0":                     0,
		"web:  12\r\n":               12,
		"":                           -1,
		"worker: 1":                  -1,
		"web: 1\nweb: 2":             -1,
		"web: -1":                    -1,
		"web: 9999999":               -1,
		"web: 99999999999999999999":  -1,
		"web: qty":                   -1,
		"My web: 3":                  -1,
		"[{\"process_type\":\"web\"": -1,
	} {
		got, err := parse(text, "web")
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q became %d, %v; want %d", text, got, err, want)
		}
	}
}

// Whatever Dokku writes, parse returns a number within reason or an error.
func FuzzParse(f *testing.F) {
	f.Add("web: 2\nworker: 1\n")
	f.Add("proctype: qty\n--------: ---\nweb:  1")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parse(text, "web")
		if err == nil && (n < 0 || n > absurd || !strings.Contains(text, "web:")) || err != nil && (n != 0 || len(err.Error()) > 200) {
			t.Errorf("%q became %d, %v", text, n, err)
		}
		if m := message(text); len(m) > 300 || strings.ContainsAny(m, "\n\x00") {
			t.Errorf("%q became the message %q", text, m)
		}
	})
}
