package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each mutation changes code that is there.
func TestMutationsAreCurrent(t *testing.T) {
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), m.old) {
			t.Errorf("%s has no %s", m.file, m.old)
		}
	}
}
