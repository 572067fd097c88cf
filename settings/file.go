package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxFile bounds a settings file, which is some hundred lines.
const maxFile = 256 << 10

// given is one setting that somebody gave a value.
type given struct {
	name  string // as written, with its prefix if it has one
	value string
	where string // "autoscale.env:12", or fromEnviron
	line  int    // in the file; 0: not there
}

const fromEnviron = "environment"

// prefix may stand before every name, as Django's settings have it.
const prefix = "AUTOSCALE_"

// String names the setting and where it was given, and not its value.
func (g given) String() string {
	return fmt.Sprintf("%s of %s", g.name, strings.Replace(g.where, fromEnviron, "the "+fromEnviron, 1))
}

// bare returns the name without its prefix.
func (g given) bare() string { return strings.TrimPrefix(g.name, prefix) }

// readFile reads the file, from fsys where there is one.
func readFile(fsys fs.FS, name string) (string, error) {
	var f fs.File
	var err error
	if fsys == nil {
		f, err = os.Open(name)
	} else {
		f, err = fsys.Open(name)
	}
	if err != nil {
		if module := pythonModule(fsys, name); module != "" {
			return "", fmt.Errorf("settings: there is no file %s, but there is %s: a file is wanted here and not a Python module, and Python is not run: copy the settings to a file of KEY=VALUE lines, as autoscale.env, and give that one: %w", name, module, fs.ErrNotExist)
		}
		return "", fmt.Errorf("settings: read the settings file: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", fmt.Errorf("settings: %s is a folder: give a file of KEY=VALUE lines, as %s", name, path.Join(name, "autoscale.env"))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("settings: read the settings file %s: %w", name, err)
	case len(text) > maxFile:
		return "", fmt.Errorf("settings: the settings file %s is longer than %d KiB: give a file of KEY=VALUE lines", name, maxFile>>10)
	case !utf8.Valid(text) || bytes.ContainsRune(text, 0):
		return "", fmt.Errorf("settings: the settings file %s is no UTF-8 text: give a file of KEY=VALUE lines", name)
	}
	return string(text), nil
}

// pythonModule returns the Python file that name is probably the module of, as
// autoscale_settings.py of autoscale_settings, or "".
func pythonModule(fsys fs.FS, name string) string {
	base := strings.TrimSuffix(strings.TrimSuffix(name, ".pyc"), "/")
	dotted := strings.ReplaceAll(base, ".", "/")
	for _, file := range []string{base + ".py", base + "/__init__.py", dotted + ".py", dotted + "/__init__.py"} {
		var err error
		if fsys == nil {
			_, err = os.Stat(file)
		} else {
			_, err = fs.Stat(fsys, file)
		}
		if err == nil {
			return file
		}
	}
	return ""
}

var (
	nameForm  = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	lineStart = regexp.MustCompile(`^\s*(export\s+)?[A-Z_][A-Z0-9_]*\s*=`)
)

// lineEnds makes a line feed of everything that ends a line in some editor. Without it
// the rest of the file would be part of a value, and errors quote values.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// parseFile reads KEY=VALUE lines. A line that it cannot read is a fault and is
// passed over. Faults never quote a line, which may hold a secret.
func parseFile(name, text string) ([]given, []Fault) {
	var out []given
	var faults []Fault
	lines := strings.Split(lineEnds.Replace(strings.TrimPrefix(text, "\ufeff")), "\n")
	for i := 0; i < len(lines); {
		first := i
		line := strings.TrimSpace(lines[i])
		if line == "" || line[0] == '#' {
			i++
			continue
		}
		where := fmt.Sprintf("%s:%d", name, first+1)
		if rest, ok := strings.CutPrefix(line, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
			line = strings.TrimSpace(rest)
		}
		key, rest, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !ok || !nameForm.MatchString(key) {
			faults = append(faults, Fault{Where: where, line: first + 1, Problem: notASetting(key)})
			i++
			continue
		}
		value, next, err := parseValue(rest, lines, i)
		i = next
		if err != nil {
			problem := err.Error()
			if remedy := remedy(key, strings.TrimSpace(rest)); remedy != "" {
				problem += ": " + remedy
			}
			faults = append(faults, Fault{Where: where, line: first + 1, Setting: key, Problem: problem})
			continue
		}
		out = append(out, given{name: key, value: value, where: where, line: first + 1})
	}
	return out, faults
}

// notASetting says what a line should be. It repeats the name only where that is
// a setting's, but for its case.
func notASetting(key string) string {
	upper := strings.ToUpper(key)
	if k := find(strings.TrimPrefix(upper, prefix)); k != nil {
		return fmt.Sprintf("%s must be written in capital letters: %s", key, upper)
	}
	return "this line is not a setting: write KEY=VALUE with KEY in capital letters, or begin the line with # for a comment; Python, such as import and if, is not run"
}

// parseValue reads what stands behind the equals sign of lines[i], and returns
// the number of the line at which to go on.
func parseValue(rest string, lines []string, i int) (value string, next int, err error) {
	text := strings.TrimSpace(rest)
	if text == "" {
		return "", i + 1, nil
	}
	switch text[0] {
	case '\'', '"':
		value, rest, ok := quoted(text)
		if !ok {
			return "", i + 1, fmt.Errorf("has a quotation mark %c that is not closed on its line", text[0])
		}
		return value, i + 1, ending(rest)
	case '{', '[', '(':
		return bracketed(text, lines, i)
	}
	// A # begins a comment only behind white space: URLs have them inside.
	for at, r := range rest {
		if r == '#' && at > 0 && (rest[at-1] == ' ' || rest[at-1] == '\t') {
			rest = rest[:at]
			break
		}
	}
	return strings.TrimSpace(rest), i + 1, nil
}

// ending reports that something other than a comment follows a value.
func ending(rest string) error {
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		return errors.New("is followed by something that does not belong to its value: end the line there, or quote the whole value; Python is not run, so write what an expression comes to")
	}
	return nil
}

// quoted splits text behind the quotation that it begins with. Nothing is
// special in single quotation marks; in double ones \" and \\ stand for " and \.
func quoted(text string) (value, rest string, ok bool) {
	var b strings.Builder
	mark := text[0]
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == mark:
			return b.String(), text[i+1:], true
		case c == '\\' && mark == '"' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// bracketed reads a dictionary or a list, which may go on over several lines,
// with comments, and returns it on one line. A line that begins with KEY= ends
// one that was not closed, so that the settings behind it are still looked at.
func bracketed(text string, lines []string, i int) (value string, next int, err error) {
	var b strings.Builder
	depth := 0
	for {
		rest, closed := text, false
		for rest != "" && !closed {
			c := rest[0]
			switch c {
			case '#':
				rest = ""
				continue
			case '\'', '"':
				_, behind, ok := quoted(rest)
				if !ok {
					return "", i + 1, fmt.Errorf("has a quotation mark %c that is not closed on its line", c)
				}
				b.WriteString(rest[:len(rest)-len(behind)])
				rest = behind
				continue
			case '{', '[', '(':
				depth++
			case '}', ']', ')':
				depth--
				closed = depth == 0
			}
			b.WriteByte(c)
			rest = rest[1:]
		}
		i++
		if closed {
			return b.String(), i, ending(rest)
		}
		if i == len(lines) || lineStart.MatchString(lines[i]) {
			return "", i, fmt.Errorf("has a bracket that is not closed: end it with }, ] or )")
		}
		text = strings.TrimSpace(lines[i])
		b.WriteByte(' ')
	}
}
