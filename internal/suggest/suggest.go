// Package suggest finds the name that was probably meant by one that does not exist.
package suggest

import "strings"

// Nearest returns the one of all that name was probably meant to be, or "". It allows for
// an edit in each four letters. After that it looks for a name that begins with name, or
// ends with it after separator.
func Nearest(name string, all []string, separator string) string {
	best, least := "", 1+len(name)/4
	for _, other := range all {
		if d := distance(name, other); d < least || d == least && best == "" {
			best, least = other, d
		}
	}
	if best != "" {
		return best
	}
	for _, other := range all {
		if len(name) > 2 && (strings.HasPrefix(other, name) || len(name) > 3 && strings.HasSuffix(other, separator+name)) {
			return other
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
