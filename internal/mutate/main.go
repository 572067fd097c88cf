// Command mutate changes the code in one place at a time, and runs the tests. A change
// that no test notices is a hole in the tests.
//
//	go run ./internal/mutate [-run regexp] > docs/mutations.md
//
// It writes the table of docs/mutations.md, and ends with status 1 if a mutation
// survived. Run it in the root of the module. It changes no file: the go command reads
// the mutated file by an overlay. It takes about ten seconds for each mutation.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// slow are tests of the root that run only for what the others leave alive.
const slow = "TestHeartbeat|TestStateIsBounded|TestRestartEquivalence"

func main() {
	only := flag.String("run", "", "try the mutations whose file or text matches this `regexp`")
	flag.Parse()
	survivors, err := run(regexp.MustCompile(*only))
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

func run(only *regexp.Regexp) (survivors int, err error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	fmt.Print(header)
	tried := 0
	for _, m := range mutations {
		if !only.MatchString(m.file + " " + m.old) {
			continue
		}
		killer, err := m.try(dir)
		if err != nil {
			return survivors, err
		}
		tried++
		if killer == "" {
			survivors++
			killer = "**survived**"
		}
		fmt.Printf("| %s | %s | %s | %s |\n", m.file, cell(m.old), cell(m.new), killer)
	}
	fmt.Printf("\n%d mutations, %d survived.\n", tried, survivors)
	return survivors, nil
}

const header = `# Mutations

` + "`go run ./internal/mutate > docs/mutations.md`" + ` wrote this page. Each row is a change of one place
in the code that the tests must notice. The last column is the first test that failed.
The list is in ` + "`internal/mutate/list.go`" + `: add a row when you add a rule that matters.

| file | code | becomes | killed by |
|---|---|---|---|
`

// try runs the tests with the mutation, and returns the first one that fails.
func (m mutation) try(dir string) (killer string, err error) {
	file, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	code, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(code), m.old) {
		return "", fmt.Errorf("%s no longer holds %q: change list.go", m.file, m.old)
	}
	mutated, overlay := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(code), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutated}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	// The quick tests come first: those of the package itself, and then those of the root.
	runs := [][]string{{"-skip", slow, "."}, {"-run", slow, "."}}
	if own := filepath.Dir(m.file); own != "." {
		runs = append([][]string{{"./" + own}}, runs...)
	}
	for _, args := range runs {
		args = append([]string{"test", "-overlay", overlay, "-count=1", "-vet=off", "-failfast", "-timeout=120s"}, args...)
		out, err := exec.Command("go", args...).CombinedOutput()
		switch {
		case err == nil:
		case strings.Contains(string(out), "[build failed]"):
			return "", fmt.Errorf("%s with %q does not build:\n%s", m.file, m.new, out)
		default:
			return failed(string(out)), nil
		}
	}
	return "", nil
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^panic: (test timed out)`)

// failed returns the name of the test that failed, as go test printed it.
func failed(output string) string {
	if groups := failure.FindStringSubmatch(output); groups != nil {
		return strings.Join(groups[1:], "")
	}
	return "a panic"
}

// cell returns code as a cell of a table.
func cell(code string) string {
	if code == "" {
		return "(nothing)"
	}
	code = strings.Join(strings.Fields(code), " ")
	return "`" + strings.ReplaceAll(code, "|", `\|`) + "`"
}
