package settings

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/autoscalebot/autoscale/internal/literal"
)

// dollarName matches what may be a variable, or part of a password.
var dollarName = regexp.MustCompile(`\$[A-Z_][A-Z0-9_]+`)

// meantElsewhere says what is wrong with a value that was meant for another tool. "": nothing.
func meantElsewhere(k *key, value string) string {
	if problem := literal.Variable(value); problem != "" {
		return problem
	}
	if !k.secret {
		return ""
	}
	if rest := strings.TrimPrefix(strings.TrimPrefix(value, "export "), prefix); strings.HasPrefix(rest, k.name+"=") {
		return "has its own name in its value: write the name once"
	}
	if problem := secretMeantElsewhere(k, value); problem != "" {
		return problem
	}
	for _, part := range secretsIn(value) {
		if problem := secretMeantElsewhere(k, part); problem != "" {
			return "has a part that " + problem
		}
	}
	return ""
}

// secretMeantElsewhere says what is wrong with a secret, or with the part of a value that is one.
func secretMeantElsewhere(k *key, value string) string {
	if pythonText.MatchString(value) {
		return "is Python and not a value: " + remedy(k.name, value)
	}
	return literal.Secret(value)
}

// secretsIn returns the parts of a value that are secrets of their own: those of headers,
// behind the scheme too, and the password and the parts of the path and the query of a URL.
func secretsIn(value string) (parts []string) {
	add := func(texts ...string) {
		for _, text := range texts {
			if text != "" {
				parts = append(parts, text)
			}
		}
	}
	if headers, err := dictionary(value); err == nil {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			scheme, rest, _ := strings.Cut(headers[name], " ")
			add(headers[name])
			if scheme != "" {
				add(strings.TrimSpace(rest))
			}
		}
		return parts
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return nil
	}
	if password, ok := u.User.Password(); ok {
		add(password)
	}
	add(strings.Split(u.Path, "/")...)
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		add(u.Query()[name]...)
	}
	return parts
}

// doubtful says what is odd about a secret that may be right all the same. "": nothing.
func doubtful(k *key, value string) string {
	switch {
	case !k.secret:
	case hasEmptyHeader(value):
		return "has a header without a value, which is sent so"
	case strings.Contains(literal.QuotationMarks, value[:1]) || strings.Contains(literal.QuotationMarks, value[len(value)-1:]):
		return "has a quotation mark at one end, which is sent as part of it: take it off if it does not belong there"
	case dollarName.MatchString(value):
		return "has what looks like a variable in it, as $NAME: variables are not expanded here"
	}
	return ""
}

// hasEmptyHeader reports whether a value is headers, one of which has nothing but a scheme.
func hasEmptyHeader(value string) bool {
	headers, _ := dictionary(value)
	for _, text := range headers {
		switch text = strings.TrimSpace(text); strings.ToLower(text) {
		case "", "bearer", "basic", "token":
			return true
		}
	}
	return false
}

var (
	assignment  = regexp.MustCompile(`(?:^|[^A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_]*\s*(?::\s*)?[=＝]`)
	secretName  = regexp.MustCompile(`(?i)(?:pass(?:word|wd|phrase)?|secret|token|key|pwd|bearer|credentials?|authorization)["']?(?:\s*[:：]\s*|\s+)["']?[^\s"']`)
	credentials = regexp.MustCompile(`//[^\s]*(?:@|%40|＠)|[^\s:/@,'"<]+:[^\s@]+@`)
	beyondHost  = regexp.MustCompile(`//[^\s/?#]*(?:/[^\s?#]|/?[?#])`)
	knownToken  = regexp.MustCompile(`\b(?:xox[a-z]-|gh[a-z]_|github_pat_|glpat-|[rs]k_live_|sk-|AKIA|eyJ)[A-Za-z0-9_.-]{6,}|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b`)
	longWord    = regexp.MustCompile(`[A-Za-z0-9+/=]{20,}`)
	digits      = regexp.MustCompile(`[0-9]`)
	letters     = regexp.MustCompile(`[A-Za-z]`)
	clockTime   = regexp.MustCompile(`^"\d{1,2}:\d{2}"$`)
	inQuotes    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// hides reports whether a value may hold a secret: another setting, what follows a word such
// as token, the password, the path or the query of a URL, or what looks like a token.
func hides(value string) bool {
	for _, form := range []*regexp.Regexp{assignment, secretName, credentials, beyondHost, knownToken} {
		if form.MatchString(value) {
			return true
		}
	}
	return slices.ContainsFunc(longWord.FindAllString(value, -1), func(word string) bool {
		return digits.MatchString(word) && letters.MatchString(word)
	})
}

// hideQuoted takes the quoted parts out of an error, which may be parts of the value.
func hideQuoted(problem string) string {
	return inQuotes.ReplaceAllStringFunc(problem, func(part string) string {
		if clockTime.MatchString(part) {
			return part // of an example
		}
		return "[not shown]"
	})
}

var (
	environRead = regexp.MustCompile(`\b(?:os\.)?(?:environ|getenv)\b|^(?:env|config)(?:\.\w+)?\(`)
	environName = regexp.MustCompile(`['"]([A-Z_][A-Z0-9_]*)['"]`)
	pythonText  = regexp.MustCompile(`^(?:\w+\()?(?:os\.)?(?:environ\b|getenv\b)[\[.(]|^(?:env|config)(?:\.\w+)?\(|^[uUbBrRfF]{1,2}(?:'.*'|".*")$`)
	prefixed    = regexp.MustCompile(`(?:^|[\s\[({,:])([uUbBrRfF]{1,2})['"]`)
	arithmetic  = regexp.MustCompile(`^[\d_.\s()]+(?:(?:\*\*|//|<<|[-+*/%])[\d_.\s()]+)+$`)
	product     = regexp.MustCompile(`^\s*\d+(?:\s*\*\s*\d+)+\s*$`)
	sum         = regexp.MustCompile(`^\s*\d+(?:\s*\+\s*\d+)+\s*$`)
	underscores = regexp.MustCompile(`^\d+(?:_\d+)+$`)
	oldLong     = regexp.MustCompile(`^\d+[lL]$`)
	oneTuple    = regexp.MustCompile(`^[^,(\[{]+,$`)
	call        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*\(`)
	address     = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)
	expression  = regexp.MustCompile(`\bif\b.+\belse\b|^not\s|\s(?:and|or)\s|\d\s*[*+/]+\s*\d|\bfor\b.+\bin\b`)
	variable    = regexp.MustCompile(`^(?:settings\.)?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$`)
	joined      = regexp.MustCompile(`['"\])]\s*(?:\+|%)\s*\S`)
)

// remedy says what to write instead of Python, as Django's settings have it. The value is
// one that could not be read. "": it is not known to be Python.
func remedy(name, value string) string {
	bare := strings.TrimPrefix(name, prefix)
	switch {
	case environRead.MatchString(value):
		read := environName.FindStringSubmatch(value)
		if read == nil || strings.TrimPrefix(read[1], prefix) == bare {
			return fmt.Sprintf("Python is not run: take this line out; the variable %s of the environment is read anyway", bare)
		}
		return fmt.Sprintf("Python is not run: take this line out, and give the value as the variable %s of the environment, which is read anyway", bare)
	case (bare == "ADMINS" || bare == "MANAGERS") && strings.ContainsAny(value, "()[]"):
		example := "ops@example.com, jane@example.com"
		if found := addressesIn(value); len(found) > 0 {
			example = strings.Join(found, ", ")
		}
		return "Django's pairs of a name and an address are not read: leave the names and the brackets out, and write the addresses alone, as ADMINS=" + example
	case prefixed.MatchString(value):
		letter := prefixed.FindStringSubmatch(value)[1]
		return fmt.Sprintf("the %s before a quotation mark is Python's mark of a kind of string: take it off", letter)
	case strings.Contains(value, `"""`) || strings.Contains(value, "'''"):
		return "three quotation marks are Python's: write the value on one line, without them"
	case arithmetic.MatchString(value):
		if result, ok := compute(value); ok {
			return fmt.Sprintf("Python is not run, so nothing is calculated: write %d", result)
		}
		return "Python is not run, so nothing is calculated: write the result"
	case underscores.MatchString(value):
		return "write the number without _, as " + strings.ReplaceAll(value, "_", "")
	case oldLong.MatchString(value):
		return "write the number without the L of Python 2, as " + value[:len(value)-1]
	case oneTuple.MatchString(value):
		return "the comma at its end makes it a tuple of Python: take it off"
	case variable.MatchString(value):
		return "a name is not replaced by its value: write the value itself"
	case expression.MatchString(value), call.MatchString(value), strings.HasPrefix(value, "lambda"), joined.MatchString(value):
		return "Python is not run: write the value that this comes to"
	}
	return ""
}

// addressesIn returns the e-mail addresses in a value. What stands behind a colon is the
// password of a URL.
func addressesIn(value string) (found []string) {
	for _, at := range address.FindAllStringIndex(value, -1) {
		if before := value[:at[0]]; !strings.HasSuffix(before, ":") && !strings.HasSuffix(before, "/") {
			found = append(found, value[at[0]:at[1]])
		}
	}
	return found
}

// compute returns the value of a product or a sum.
func compute(value string) (int, bool) {
	operator, result := "*", 1
	switch {
	case product.MatchString(value):
	case sum.MatchString(value):
		operator, result = "+", 0
	default:
		return 0, false
	}
	for part := range strings.SplitSeq(value, operator) {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n > 1e6 || result > 1e9 {
			return 0, false
		}
		if operator == "*" {
			result *= n
		} else {
			result += n
		}
	}
	return result, true
}
