package heroku

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// number is a whole number as people write it: 2, 1000, 1,000, 1.000, 1'000 or 1 000.
const number = `\d{1,3}(?:[,.'’_ \x{a0}\x{202f}]\d{3})+|\d+`

// numberEnds is what follows a number, so that it is not the beginning of another one:
// 12,34, 1.5, 10k, 80% and 5e3 cannot be read as numbers of dynos.
const numberEnds = `(?:[.,;:]?(?:\s+[^\d%]|\s*$)|[!?)"\-/])`

var (
	// limitSentence finds the limit in words, as in "Cannot run more than 2 Free size
	// dynos." and "Cannot update to more than 1 Basic size dynos per process type."
	limitSentence = regexp.MustCompile(`(?i)\b(?:cannot|can't|can not|may not|unable to) (?:run|update to|scale to|have|use) more than (` + number + `)` + numberEnds)

	// limitPhrase finds it in a refusal whose id says that it is about a limit.
	limitPhrase = regexp.MustCompile(`(?i)\b(?:limit(?:ed)?(?: of| to| is|:)|at most|up to|maximum(?: of| is|:)?|more than) (` + number + `)` + numberEnds)

	// passingWords are those of a refusal that ends by itself.
	passingWords = regexp.MustCompile(`(?i)\b(?:in[ -]progress|under[ -]?way|is being|are being|currently (?:being|deploying|releasing|running|locked)|another (?:operation|release|deploy(?:ment)?)|release phase|preboot|locked|try again (?:later|in|soon|shortly|when|once))\b`)
)

// limitOf reports whether a refusal is about a dyno limit, and the limit, which is below
// 0 if the refusal does not name it.
func limitOf(id, message string, field any) (limit int, ok bool) {
	about := strings.HasSuffix("_"+strings.ToLower(id), "_above_limit")
	if about {
		if n, ok := wholeNumber(field); ok {
			return n, true
		}
	}
	m := limitSentence.FindStringSubmatch(message)
	if m == nil && about {
		m = limitPhrase.FindStringSubmatch(message)
	}
	if m == nil {
		return -1, about
	}
	if n, ok := wholeNumber(m[1]); ok {
		return n, true
	}
	return -1, true
}

// wholeNumber reads a number of JSON, or one in words.
func wholeNumber(v any) (int, bool) {
	switch v := v.(type) {
	case float64:
		if n := int(v); v >= 0 && v <= 1<<30 && v == float64(n) {
			return n, true
		}
	case string:
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune(",.'’_ \u00a0\u202f", r) {
				return -1
			}
			return r
		}, v)
		if n, err := strconv.ParseUint(digits, 10, 30); err == nil && wholeText.MatchString(v) {
			return int(n), true
		}
	}
	return 0, false
}

var wholeText = regexp.MustCompile(`^(?:` + number + `)$`)

// A dynoLimit is what a refusal for a dyno limit adds to an Error. It is below 0 if the
// refusal does not say which limit.
type dynoLimit int

func (l dynoLimit) Error() string {
	if l < 0 {
		return "the limit is not named"
	}
	return fmt.Sprintf("the limit is %d", int(l))
}

func limited(e *Error) bool {
	var l dynoLimit
	return errors.As(e.Err, &l)
}

// passing reports whether the refusal ends by itself, because a release, a deployment or
// another operation is under way.
func passing(e *Error) bool {
	switch e.Status {
	case http.StatusConflict:
		return true
	case http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusPreconditionFailed:
		return !limited(e) && (passingWords.MatchString(e.Message) || passingWords.MatchString(strings.ReplaceAll(e.Code, "_", " ")))
	}
	return false
}
