package settings

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
)

// A Fault is one thing that is wrong with the settings. It never holds a secret,
// and it is one line.
type Fault struct {
	Setting string // the name as it was written, prefix included; "": of no single setting
	Where   string // "autoscale.env:12" or "environment"; "": nowhere, because it is missing
	Problem string // what is wrong and what to do, as the rest of a sentence that begins with Setting

	line int // in the file; 0: not there
}

// order is where the fault comes among others: by line, then those of the
// environment, then what is missing.
func (f Fault) order() int {
	switch {
	case f.line > 0:
		return f.line
	case f.Where != "":
		return math.MaxInt - 1
	}
	return math.MaxInt
}

// Error returns the fault as one line, as
// autoscale.env:12: INCREMENT is "two": it must be a whole number, 1 or more.
func (f Fault) Error() string {
	var b strings.Builder
	if f.Where != "" {
		b.WriteString(f.Where + ": ")
	}
	if f.Setting != "" {
		b.WriteString(f.Setting + " ")
	}
	b.WriteString(f.Problem)
	return b.String()
}

// An Error is everything that is wrong with the settings. It wraps
// [autoscale.ErrConfig].
type Error struct {
	Faults []Fault // at least one; those of the file first, by line
}

// Error returns the faults, a line each.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns [autoscale.ErrConfig].
func (e *Error) Unwrap() error { return autoscale.ErrConfig }

const (
	maxShown   = 120 // of a value in a fault, in characters
	maxProblem = 600 // of a whole fault
)

var (
	herokuToken = regexp.MustCompile(`HRKU-[A-Za-z0-9_-]+`)
	userinfo    = regexp.MustCompile(`://\S*@`) // to the last @: a password may have one
)

// scrubber removes secrets from text: a key is easily pasted behind the wrong name.
type scrubber []string

// clean makes one line of s, without the secrets, of at most so many characters.
func (secrets scrubber) clean(s string, most int) string {
	for _, secret := range secrets {
		s = strings.ReplaceAll(s, secret, "[secret]")
	}
	s = herokuToken.ReplaceAllString(s, "[secret]")
	s = userinfo.ReplaceAllString(s, "://[secret]@")
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ReplaceAll(s, "\n", "; "))
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}

// unknown says that there is no such setting, and which one may be meant.
func unknown(name string) string {
	bare := strings.TrimPrefix(name, prefix)
	if hint, ok := retired[bare]; ok {
		return "is no setting here: " + hint
	}
	if best := nearest(bare); best != "" {
		return fmt.Sprintf("is no setting: is %s meant?", best)
	}
	return "is no setting: the sample file names them all"
}

// nearest returns the setting that name was probably meant to be, or "".
func nearest(name string) string {
	best, least := "", 1+len(name)/4
	for _, k := range keys {
		if d := distance(name, k.name); d < least || d == least && best == "" {
			best, least = k.name, d
		}
	}
	if best != "" {
		return best
	}
	for _, k := range keys {
		if len(name) > 5 && (strings.HasPrefix(k.name, name) || strings.HasSuffix(k.name, "_"+name)) {
			return k.name
		}
	}
	return ""
}

// distance is the number of letters to insert, remove or replace to make a of b.
func distance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a) // far, and not worth the time
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
