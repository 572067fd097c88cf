package settings

import (
	"fmt"
	"strings"
)

// What the tests of this package, and nobody else, need of its inside.

// Keys are the names and the defaults of all settings.
func Keys() (names []string, defaults map[string]string) {
	defaults = make(map[string]string)
	for _, k := range keys {
		names = append(names, k.name)
		defaults[k.name] = k.initial
	}
	return names, defaults
}

// Secrets are the names of the settings that no message may show.
func Secrets() (names []string) {
	for _, k := range keys {
		if k.secret {
			names = append(names, k.name)
		}
	}
	return names
}

// Retired are the names that are refused with advice.
func Retired() map[string]string { return retired }

// ParseFile returns the settings of a file as NAME=VALUE, and its faults.
func ParseFile(name, text string) (settings []string, faults []Fault) {
	given, faults := parseFile(name, text)
	for _, g := range given {
		settings = append(settings, g.name+"="+g.value)
	}
	return settings, faults
}

// LineEnds writes every end of a line as a line feed.
func LineEnds(text string) string { return lineEnds.Replace(text) }

// SettingOf is the setting of each Go field.
func SettingOf() map[string]string { return settingOf }

// InSettings writes an error in the names of settings.
func InSettings(text string) string { return inSettings(text) }

// Table returns what the README says about the settings, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| Setting | Default | Go field | Meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		initial := ""
		if k.initial != "" {
			initial = "`" + k.initial + "`"
		}
		fields := strings.Split(k.field, ", ")
		for i := range fields {
			fields[i] = "`" + fields[i] + "`"
		}
		doc := strings.ReplaceAll(k.doc, "|", `\|`)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, initial, strings.Join(fields, ", "), doc)
	}
	return b.String()
}

// A PlatformCase is what a platform needs.
type PlatformCase struct{ Right, Required []string }

// Platforms are the platforms other than Heroku, with settings that are right.
func Platforms() map[string]PlatformCase {
	out := make(map[string]PlatformCase)
	for _, p := range platforms {
		var c PlatformCase
		for _, k := range p.keys {
			if k.example != "" {
				c.Right = append(c.Right, k.name+"="+k.example)
			}
			if k.required != "" {
				c.Required = append(c.Required, k.name)
			}
		}
		out[p.name] = c
	}
	return out
}
