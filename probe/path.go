package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A jsonPath says where in a document a number is, as [JSON] describes.
type jsonPath []jsonStep

// A jsonStep goes into an object or an array.
type jsonStep struct {
	text  string // as it was written
	key   string // for an object
	index int    // for an array; -1: the step is not an index
}

func parsePath(text string) (jsonPath, error) {
	if text == "" {
		return nil, nil
	}
	var path jsonPath
	for rest, more := text, true; more; {
		step := jsonStep{index: -1}
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, errors.New("a quote does not end: write a key with a dot as queues.\"mail.urgent\"")
			}
			rest = rest[len(quoted):]
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("a dot is missing after %s", quoted)
			}
			_, rest, more = strings.Cut(rest, ".")
			step.text = quoted
			step.key, _ = strconv.Unquote(quoted)
		} else {
			step.text, rest, more = strings.Cut(rest, ".")
			step.key = step.text
			if step.text == "" {
				return nil, errors.New(`a key is missing before, between or after the dots: write it as data.result.0.value.1, and an empty key as ""`)
			}
			if strings.Contains(step.text, `"`) {
				return nil, fmt.Errorf("a quote is within %s: quote the whole key, as %s", step.text, strconv.Quote(step.text))
			}
			if i, err := strconv.ParseUint(step.text, 10, 31); err == nil {
				step.index = int(i)
			}
		}
		path = append(path, step)
	}
	return path, nil
}

// String returns the path as it was written.
func (p jsonPath) String() string {
	if len(p) == 0 {
		return "the answer"
	}
	texts := make([]string, len(p))
	for i, s := range p {
		texts[i] = s.text
	}
	return strings.Join(texts, ".")
}

// number returns the finite number at the path. Unless ordered is set, no index may
// pick one of several objects.
func (p jsonPath) number(document []byte, ordered bool) (float64, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // a number that is out of range matters only at the path
	var at any
	err := d.Decode(&at)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("more follows the first value")
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return 0, errors.New("the answer is empty")
	case err != nil:
		return 0, fmt.Errorf("the answer is not JSON: %w", err)
	}
	raw := json.RawMessage(document)
	for i, step := range p {
		var found bool
		switch v := at.(type) {
		case map[string]any:
			at, found = v[step.key]
			if !found {
				return 0, fmt.Errorf("%v has no key %q: it is %s", p[:i], step.key, describe(v))
			}
			var times int
			if raw, times = member(raw, step.key); times > 1 {
				return 0, fmt.Errorf("%v has the key %q %d times, and which of them counts is not known: ask for an answer that has it once", p[:i], step.key, times)
			}
		case []any:
			if step.index < 0 || step.index >= len(v) {
				return 0, fmt.Errorf("%v has no element %s: it is %s", p[:i], step.text, describe(v))
			}
			if !ordered && len(v) > 1 && records(v) {
				return 0, fmt.Errorf("%v has %d elements, and which of them is element %s may change: aggregate them in the query, as sum(...) does, or set probe.JSON.Ordered", p[:i], len(v), step.text)
			}
			at, raw = v[step.index], element(raw, step.index)
		default:
			return 0, fmt.Errorf("%v is %s, with no %s in it", p[:i], describe(v), step.text)
		}
	}
	var text string
	switch v := at.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, fmt.Errorf("%v is %s, and not a number", p, describe(v))
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("%v is %s, and not a finite number", p, clip(text))
	case err != nil:
		return 0, fmt.Errorf("%v is %s, and not a number", p, describe(at))
	}
	return v, nil
}

// member returns the last value of a key in a valid object, and how often the key is there.
func member(object json.RawMessage, key string) (value json.RawMessage, times int) {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token() // {
	for d.More() {
		name, _ := d.Token()
		var v json.RawMessage
		if d.Decode(&v) != nil {
			break
		}
		if name == key {
			value, times = v, times+1
		}
	}
	return value, times
}

// element returns the element at index, which must exist, of a valid array.
func element(array json.RawMessage, index int) (value json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(array))
	_, _ = d.Token() // [
	for i := 0; i <= index && d.Decode(&value) == nil; i++ {
		continue
	}
	return value
}

// records reports whether an element of v is an object, or a row with a name in it. A
// tuple, such as a time and its value, is not such a row, and neither are its elements.
func records(v []any) bool {
	return slices.ContainsFunc(v, func(e any) bool {
		switch e := e.(type) {
		case map[string]any:
			return true
		case []any:
			return slices.ContainsFunc(e, isName)
		}
		return false
	})
}

// isName reports whether v is a text that is not a number, or an object.
func isName(v any) bool {
	switch v := v.(type) {
	case string:
		_, err := strconv.ParseFloat(v, 64)
		return err != nil
	case map[string]any:
		return true
	}
	return false
}

// mostKeys is how many keys of an object an error names, and mostText how much
// of a key or a number it repeats.
const (
	mostKeys = 5
	mostText = 40
)

// describe says in a few words what v is. It repeats no string, because with a
// wrong path that may be a secret.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case []any:
		if len(v) == 0 {
			return "an empty array"
		}
		return fmt.Sprintf("an array of length %d", len(v))
	case map[string]any:
		if len(v) == 0 {
			return "an empty object"
		}
		keys := slices.Sorted(maps.Keys(v))
		named := keys[:min(len(keys), mostKeys)]
		quoted := make([]string, len(named))
		for i, k := range named {
			quoted[i] = strconv.Quote(clip(k))
		}
		text := "an object with the keys " + strings.Join(quoted, ", ")
		if more := len(keys) - len(named); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	}
	return clip(fmt.Sprint(v))
}

func clip(text string) string {
	if len(text) > mostText {
		return text[:mostText] + "…"
	}
	return text
}
