// Package citest_test runs .ci/run with programs in place of the real ones, and sees that each
// failure fails the whole.
package citest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakeGo notes its calls, and fails where a line of $FAKE_FAIL is in one.
const fakeGo = `#!/bin/bash
call="in ${PWD##*/} with ${GOTOOLCHAIN:-the present Go}: go $*"
echo "$call" >>"$FAKE_LOG"
if [ -n "$FAKE_FAIL" ] && grep -qF -- "$FAKE_FAIL" <<<"$call"; then seq -f 'line %g' 40; echo "bad: $call"; exit "${FAKE_CODE:-1}"; fi
[ -z "$FAKE_SAYS" ] || echo "$FAKE_SAYS"
exit 0
`

const readme = "# x\n<!-- demo -->\n```sh\ngo -C examples run ./demo\n```\n<!-- test -->\n```sh\ngo test ./...\n```\n"

func TestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip(".ci/run is for Linux")
	}
	for _, program := range []string{"bash", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	everything := []string{
		"in clone with go1.25.14: go test ./...",
		"in clone with the present Go: go test -race -shuffle=on ./...",
		"in a b with the present Go: go test -race -shuffle=on ./...",
		"in bench with the present Go: go test -race -shuffle=on ./...",
		"in servertest with the present Go: go test -race -shuffle=on ./...",
	}
	for name, tt := range map[string]struct {
		parts  []string
		env    []string
		change map[string]string // files of the clone. Empty: it is not there
		fails  bool
		calls  []string // are among those of go
		not    []string // are not
		says   []string
	}{
		"all tests": {parts: []string{"test"}, calls: everything, says: []string{"first: == module . (", "first: == module internal/servertest (", "all is well"}},
		"the README's command fails": {
			parts: []string{"test"}, env: []string{"FAKE_FAIL=with go1.25.14: go test"}, fails: true, says: []string{"bad: in clone"},
		},
		"the root fails": {
			parts: []string{"test"}, env: []string{"FAKE_FAIL=in clone with the present Go: go test -race"}, fails: true, calls: everything[:4], not: everything[4:], says: []string{"first: line 1\n", "first: bad: in clone"},
		},
		"a module fails": {
			parts: []string{"test"}, env: []string{"FAKE_FAIL=in a b with the present Go: go test"}, fails: true, calls: everything, says: []string{"others: bad: in a b"},
		},
		"the comparison fails": {
			parts: []string{"test"}, env: []string{"FAKE_FAIL=in bench with"}, fails: true, calls: everything, says: []string{"bench: bad: in bench"},
		},
		"the oldest Go cannot be had": {
			parts: []string{"test"}, env: []string{"FAKE_FAIL=with go1.25.14"}, calls: append([]string{"in clone with the present Go: go test ./..."}, everything[1:]...), says: []string{"cannot be had from here"},
		},
		"go.mod supports another Go": {
			parts: []string{"test"}, change: map[string]string{"go.mod": "module x\n\ngo 1.26.0\n"}, fails: true, says: []string{"go.mod supports go1.26.0"},
		},
		"the README has no command": {
			parts: []string{"test"}, change: map[string]string{"README.md": "go test ./...\n"}, fails: true, says: []string{"no command after <!-- test -->"},
		},
		"nor a demo": {
			parts: []string{"demo"}, change: map[string]string{"README.md": "go run .\n"}, fails: true, says: []string{"no command after <!-- demo -->"},
		},
		"the demo fails": {parts: []string{"demo"}, env: []string{"FAKE_FAIL=run ./demo"}, fails: true},
		"fuzzing": {
			parts: []string{"fuzz"},
			calls: []string{"in clone with the present Go: go test -run ^$ -fuzz ^FuzzOne$", "in clone with the present Go: go test -run ^$ -fuzz ^FuzzTwo$", "in deep with the present Go: go test -run ^$ -fuzz ^FuzzThree$"},
			not:   []string{"-race"},
		},
		"a target fails": {
			parts: []string{"fuzz"}, env: []string{"FAKE_FAIL=^FuzzOne$"}, fails: true,
			calls: []string{"^FuzzThree$", "^FuzzTwo$"}, says: []string{". FuzzOne\nline 1\n"}, // all of it
		},
		"a target is not there": {parts: []string{"fuzz"}, env: []string{"FAKE_SAYS=testing: warning: no fuzz tests to fuzz"}, fails: true},
		"no target is there": {
			parts: []string{"fuzz"}, change: map[string]string{"one_test.go": "", "deep/three_test.go": ""}, fails: true, says: []string{"no fuzz target was found"},
		},
		"lint alone":        {parts: []string{"lint"}, calls: []string{"in a b with the present Go: go vet", "in bench with the present Go: go mod tidy -diff", "gofumpt"}, not: []string{"go test"}, says: []string{"all is well"}},
		"vet fails":         {parts: []string{"lint"}, env: []string{"FAKE_FAIL=in a b with the present Go: go vet"}, fails: true},
		"it does not build": {parts: []string{"lint"}, env: []string{"FAKE_FAIL=in a b with the present Go: go build"}, fails: true},
		"a vulnerability":   {parts: []string{"lint"}, env: []string{"FAKE_FAIL=govulncheck", "FAKE_CODE=3"}, fails: true, says: []string{"bad: "}},
		"not formatted":     {parts: []string{"lint"}, env: []string{"FAKE_SAYS=a.go"}, fails: true, says: []string{"gofumpt would change"}},
		"a benchmark fails": {parts: []string{"bench"}, env: []string{"FAKE_FAIL=-bench"}, fails: true},
		"no module":         {parts: []string{"lint"}, change: map[string]string{"go.mod": "", "contrib/a b/go.mod": "", "bench/go.mod": "", "internal/servertest/go.mod": ""}, fails: true, says: []string{"no module was found"}},
		"an unknown part":   {parts: []string{"lint", "tests"}, fails: true, not: []string{"go"}, says: []string{"usage: "}},
		"a part fails, and another follows": {
			parts: []string{"demo", "fuzz"}, env: []string{"FAKE_FAIL=run ./demo"}, fails: true, not: []string{"-fuzz"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, log, err := run(t, tt.parts, tt.env, tt.change)
			if (err != nil) != tt.fails || tt.fails == strings.Contains(out, "all is well") {
				t.Errorf("%v:\n%s\n%s", err, log, out)
			}
			for _, want := range tt.calls {
				if !strings.Contains(log, want) {
					t.Errorf("%q was not called:\n%s", want, log)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(log, not) {
					t.Errorf("%q was called:\n%s", not, log)
				}
			}
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// run runs .ci/run in a clone with two modules and a third in a folder with a space.
func run(t *testing.T, parts, env []string, change map[string]string) (out, log string, err error) {
	dir := t.TempDir()
	clone, bin := filepath.Join(dir, "clone"), filepath.Join(dir, "bin")
	script, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		".ci/run": string(script), "README.md": readme,
		"go.mod": "module x\n\ngo 1.25.0\n", "contrib/a b/go.mod": "module a\n", "bench/go.mod": "module bench\n", "internal/servertest/go.mod": "module servers\n",
		"one_test.go": "func FuzzOne(f *testing.F) {\nfunc FuzzTwo(f *testing.F) {\n", "deep/three_test.go": "func FuzzThree(f *testing.F) {\n",
	}
	for name, content := range change {
		if files[name] = content; content == "" {
			delete(files, name)
		}
	}
	write := func(path, content string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		write(filepath.Join(clone, name), content)
	}
	write(filepath.Join(bin, "go"), fakeGo)
	for _, program := range strings.Fields("postgres redis-server mariadbd memcached pgbouncer faketime sshd prometheus promtool npm zsh fish chromium python3 sudo apt-get") {
		write(filepath.Join(bin, program), "#!/bin/bash\n")
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = clone
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	logged := filepath.Join(dir, "log")
	cmd := exec.CommandContext(t.Context(), filepath.Join(clone, ".ci/run"), parts...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "FAKE_LOG="+logged, "FAKE_FAIL=", "FAKE_SAYS=", "GOTOOLCHAIN=",
		"AUTOSCALE_TEST_HEROKU_CLI=/bin/true", "AUTOSCALE_TEST_AXE=/bin/true")
	cmd.Env = append(cmd.Env, env...)
	text, err := cmd.CombinedOutput()
	calls, _ := os.ReadFile(logged) // there is none if go was not called
	return string(text), string(calls), err
}
