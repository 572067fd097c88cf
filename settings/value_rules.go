package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
)

// milliseconds and seconds write a default of the library.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// word reads one of several words.
func word(to func(*values) *string, words ...string) reader {
	return func(v *values, s string) error {
		s = strings.ToLower(s)
		if !slices.Contains(words, s) {
			return fmt.Errorf("it must be %s", oneOf(words))
		}
		*to(v) = s
		return nil
	}
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// oldRules are autoscalebot's classes, which were given by their dotted paths.
var oldRules = map[string]string{
	"ConsecutiveThresholdBackend": consecutiveRule,
	"AverageThresholdBackend":     averageRule,
}

// ruleName reads DECISION_BACKEND.
func ruleName(v *values, s string) error {
	if name, ok := oldRules[s[strings.LastIndexByte(s, '.')+1:]]; ok {
		v.rule = name
		return nil
	}
	return word(func(v *values) *string { return &v.rule },
		consecutiveRule, averageRule, mOfNRule, trackingRule, backlogRule)(v, s)
}

// failurePolicy reads COUNT_FAILURES_AS.
func failurePolicy(v *values, s string) error {
	var text string
	err := word(func(*values) *string { return &text }, "too_high", "nothing")(v, s)
	if err != nil {
		return err
	}
	v.failures = autoscale.CountAsHigh
	if text == "nothing" {
		v.failures = autoscale.Ignore
	}
	return nil
}

// budgetPeriod reads BUDGET_PERIOD.
func budgetPeriod(v *values, s string) error {
	var text string
	err := word(func(*values) *string { return &text }, limit.Day.String(), limit.Month.String())(v, s)
	if err != nil {
		return err
	}
	v.limits.Budget.Per = limit.Day
	if text == limit.Month.String() {
		v.limits.Budget.Per = limit.Month
	}
	return nil
}

// between reads a whole number from least to most.
func between(least, most int, to func(*values) *int) reader {
	return func(v *values, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("it must be a whole number, %d to %d", least, most)
		}
		*to(v) = n
		return nil
	}
}

// atMost reads as read does, and refuses a number above most.
func atMost(most int, read reader) reader {
	return func(v *values, s string) error {
		if n, err := strconv.Atoi(s); err == nil && n > most {
			return fmt.Errorf("it must be at most %d", most)
		}
		return read(v, s)
	}
}

// number reads a number from least to most, and keeps it divided by unit.
func number(unit, least, most float64, what string, to func(*values) *float64) reader {
	return func(v *values, s string) error {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || f < least || f > most {
			return fmt.Errorf("it must be %s: a number alone, %s to %s", what,
				strconv.FormatFloat(least, 'f', -1, 64), strconv.FormatFloat(most, 'f', -1, 64))
		}
		*to(v) = f / unit
		return nil
	}
}

// percent reads a number of percent, and keeps it as a share.
func percent(least, most float64, to func(*values) *float64) reader {
	return number(100, least, most, "a percentage", to)
}

// negativeAtZero keeps a 0 as -1, for fields in which 0 means the default.
func negativeAtZero(read reader, to func(*values) *float64) reader {
	return func(v *values, s string) error {
		err := read(v, s)
		if err == nil && *to(v) == 0 {
			*to(v) = -1
		}
		return err
	}
}

// noneAtZero reads a number of units. It keeps a 0 as -1, for fields in which 0 means
// the default.
func noneAtZero(unit time.Duration, plural string, to func(*values) *time.Duration) reader {
	read := span(unit, plural, 0, to)
	return func(v *values, s string) error {
		err := read(v, s)
		if err == nil && *to(v) == 0 {
			*to(v) = -1
		}
		return err
	}
}

// neverAtMinusOne reads a number of units above 0, or -1.
func neverAtMinusOne(unit time.Duration, plural string, to func(*values) *time.Duration) reader {
	read := span(unit, plural, time.Second, to)
	return func(v *values, s string) error {
		if s == "-1" {
			*to(v) = -1
			return nil
		}
		if err := read(v, s); err != nil {
			return fmt.Errorf("%w, or -1 for never", err)
		}
		return nil
	}
}

// signal reads the name of one signal.
func signal(to func(*values) *autoscale.Signals) reader {
	return func(v *values, s string) error {
		got, err := oneSignal(s)
		if err != nil {
			return err
		}
		*to(v) = got
		return nil
	}
}

func oneSignal(s string) (autoscale.Signals, error) {
	var got autoscale.Signals
	if err := got.UnmarshalText([]byte(s)); err != nil || bits.OnesCount16(uint16(got)) != 1 {
		all := (autoscale.SignalValue<<1 - 1).String()
		return 0, fmt.Errorf("it must be one of %s", strings.ReplaceAll(all, "|", ", "))
	}
	return got, nil
}

// signalPath is where a number is in the answer of JSON_URL.
type signalPath struct {
	signal autoscale.Signals // 0: JSON_SIGNAL
	path   string
}

// jsonPaths reads a path, or a dictionary from signals to paths.
func jsonPaths(v *values, s string) error {
	paths := map[string]string{"": s}
	if s[0] == '{' {
		var err error
		if paths, err = dictionary(s); err != nil {
			return errors.New(`it must be a path, as data.result.0.value.1, or a path for each signal, as {"backlog": "ready", "busy": "unacked"}`)
		}
	}
	v.jsonPaths = nil
	for name, path := range paths {
		p := signalPath{path: path}
		if name != "" {
			var err error
			if p.signal, err = oneSignal(name); err != nil {
				return fmt.Errorf("of the signals, %w", err)
			}
		}
		if (&probe.JSON{URL: "https://localhost", Path: path}).Validate() != nil {
			return errors.New(`a path must be keys and indexes with dots between them, as data.result.0.value.1; a key with a dot is written in double quotation marks`)
		}
		v.jsonPaths = append(v.jsonPaths, p)
	}
	slices.SortFunc(v.jsonPaths, func(a, b signalPath) int { return int(a.signal) - int(b.signal) })
	return nil
}

// dictionary reads {"name": "text"}, in JSON or as Python writes it.
func dictionary(s string) (map[string]string, error) {
	out := make(map[string]string)
	err := json.Unmarshal([]byte(pythonic(s)), &out)
	if err != nil && !strings.Contains(s, `"`) {
		err = json.Unmarshal([]byte(strings.ReplaceAll(pythonic(s), "'", `"`)), &out)
	}
	if err != nil || len(out) == 0 {
		return nil, errors.New("it must be a dictionary of texts")
	}
	return out, nil
}

// headerName is the form of a token in RFC 9110, section 5.6.2.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// headers reads a dictionary of headers. Its errors quote nothing.
func headers(to func(*values) *http.Header) reader {
	return func(v *values, s string) error {
		texts, err := dictionary(s)
		if err != nil {
			return errors.New(`it must be headers with their values, as {"Name": "value"}`)
		}
		h := make(http.Header)
		for name, value := range texts {
			if !headerName.MatchString(name) || strings.ContainsFunc(value, unicode.IsControl) {
				return errors.New(`it has a header that HTTP does not permit: a name is letters, digits and dashes, and a value is on one line`)
			}
			h.Set(name, value)
		}
		*to(v) = h
		return nil
	}
}
