package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// The script for zsh is loaded into a zsh at a terminal, where the words are typed and
// completed by a tab.
const zshAtATerminal = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; unsetopt beep; autoload -U compinit; compinit -u -D; source $1; bindkey '^I' complete-word; dump() { print -r -- \"BUFFER[\$BUFFER]\"; BUFFER=; }; zle -N dump; bindkey '^X' dump; print READY\$((1+1))"
zpty -r -m z line '*READY2*'
while IFS= read -r typed; do
	zpty -w -n z "$typed"$'\t\x18'
	zpty -r -m z line '*BUFFER\[*\]*'
	line=${line##*BUFFER\[}
	print -r -- "${line%%\]*}"
done
`

func TestCompletionInZsh(t *testing.T) {
	inShell(t, "zsh", func(dir, script string, lines []string) (*exec.Cmd, string) {
		return exec.Command("zsh", "-f", "-c", zshAtATerminal, "zsh", script), strings.Join(lines, "\n") + "\n"
	}, map[string]string{
		"autoscalebot pau":                         "autoscalebot pause ",
		"autoscalebot sim":                         "autoscalebot simulate ",
		"autoscalebot pause u":                     "autoscalebot pause until ",
		"autoscalebot pause --sto":                 "autoscalebot pause --store=",
		"autoscalebot pause for 2h --j":            "autoscalebot pause for 2h --json ",
		"autoscalebot simulate --tr":               "autoscalebot simulate --trace=",
		"autoscalebot completion z":                "autoscalebot completion zsh ",
		"autoscalebot --ver":                       "autoscalebot --version ",
		"autoscalebot simulate --trace=trace-of-m": "autoscalebot simulate --trace=trace-of-monday.csv ",
	})
}

func TestCompletionInFish(t *testing.T) {
	inShell(t, "fish", func(dir, script string, lines []string) (*exec.Cmd, string) {
		// What is offered has a description behind a tab.
		return exec.Command("fish", "--no-config", "-c", `source $argv[1]; while read -l typed; echo (complete -C $typed | string replace -r '\t.*' '' | sort); end`, script), strings.Join(lines, "\n") + "\n"
	}, map[string]string{
		"autoscalebot pau":                         "pause",
		"autoscalebot s":                           "sample simulate status",
		"autoscalebot pause u":                     "until",
		"autoscalebot pause --st":                  "--store",
		"autoscalebot pause for 2h --j":            "--json",
		"autoscalebot simulate --tr":               "--trace",
		"autoscalebot completion z":                "zsh",
		"autoscalebot --ver":                       "--version",
		"autoscalebot simulate --trace=trace-of-m": "--trace=trace-of-monday.csv",
	})
}

// inShell types each line into a real shell, and compares what it completes it to.
func inShell(t *testing.T, shell string, command func(dir, script string, lines []string) (*exec.Cmd, string), want map[string]string) {
	if _, err := exec.LookPath(shell); err != nil {
		programs.Missing(t, "%s is not installed: install it to see its completion", shell)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "_autoscalebot")
	r := run(t, nil, "completion", shell)
	for name, text := range map[string]string{script: r.stdout, filepath.Join(dir, "trace-of-monday.csv"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range want {
		lines = append(lines, line)
	}
	cmd, typed := command(dir, script, lines)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})()
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(typed)
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=dumb")
	out, err := cmd.CombinedOutput()
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(got) != len(lines) {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	for i, line := range lines {
		if got[i] != want[line] {
			t.Errorf("%s completes %q to %q, want %q", shell, line, got[i], want[line])
		}
	}
}
