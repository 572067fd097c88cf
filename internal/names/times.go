package names

import (
	"regexp"
	"time"
)

var inUTC = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// Times takes a sentence apart at the times in it that are written as RFC 3339 in UTC, as
// events and reasons write them. It calls at for each time, and words for each text before,
// between and after them, in order.
func Times(sentence string, words func(string), at func(time.Time)) {
	done := 0
	for _, i := range inUTC.FindAllStringIndex(sentence, -1) {
		t, err := time.Parse(time.RFC3339, sentence[i[0]:i[1]])
		if err != nil {
			continue // as the 99th day of a month: it stays a text
		}
		words(sentence[done:i[0]])
		at(t)
		done = i[1]
	}
	words(sentence[done:])
}
