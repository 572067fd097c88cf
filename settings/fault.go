package settings

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/suggest"
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
		return "is not a setting here: " + hint
	}
	if best := suggest.Nearest(bare, settingNames(), "_"); best != "" {
		return fmt.Sprintf("is not a setting: is %s meant?", best)
	}
	return "is not a setting: the sample file names them all"
}

// settingNames are the names of all settings.
func settingNames() []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}
