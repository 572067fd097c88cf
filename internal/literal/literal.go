// Package literal recognizes values that were meant for another tool, such as a shell that
// takes off quotation marks and expands variables, or a manager of secrets.
package literal

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	variable = regexp.MustCompile(`\$\{[^}]*\}?|\$\([^)]*\)?|\{\{.*\}\}|<%.*%>|^\$[A-Za-z_][A-Za-z0-9_]*$|^%[A-Za-z_][A-Za-z0-9_]*%$`)

	// reference matches the name of a secret that another tool keeps.
	reference = regexp.MustCompile(`^(?:op|secret|ssm|vault|doppler|keyvault)://|^vault:|^arn:aws[a-z-]*:(?:secretsmanager|ssm):|^projects/[^/]+/secrets/|^ENC\[|^@Microsoft\.KeyVault\(|^\[\[.*\]\]$|^!\w+!$|#\{[^}]*\}`)

	placeholder = regexp.MustCompile(`^<[^<>]*>$`)
)

// QuotationMarks are those that people put around values.
const QuotationMarks = "'\"`“”‘’«»"

// Variable says what is wrong with a value that has a variable of another tool in it. "":
// nothing. The text is what follows the name of the value.
func Variable(value string) string {
	if variable.MatchString(value) {
		return "has a variable in it that was not expanded, as ${NAME}: variables are not expanded here; write the value itself"
	}
	return ""
}

// Secret says what is wrong with a secret that was meant for another tool, other than what
// [Variable] says. "": nothing.
func Secret(value string) string {
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	switch {
	case len(value) > 1 && strings.ContainsRune(QuotationMarks, first) && strings.ContainsRune(QuotationMarks, last):
		return "begins and ends with a quotation mark, which would be sent as part of it (Docker's --env-file keeps them): take both off"
	case placeholder.MatchString(value):
		return "is the placeholder of an example: write the value itself"
	case reference.MatchString(value):
		return "is the name of a secret that another tool keeps, and was not replaced by the secret: names are not looked up here; write the value itself"
	}
	return ""
}
