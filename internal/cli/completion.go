package cli

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var flagOfHelp = regexp.MustCompile(`(?m)^\t--([a-z-]+)(=?)\S*\s+(.*)$`)

// completionWords are the words of a subcommand that are not flags.
var completionWords = map[string][]string{
	"pause": {"for", "until"}, "override": {"for", "until"}, "completion": {"bash", "zsh", "fish"},
}

// completion prints a script that completes the arguments in a shell. It is made of the
// help, so that both say the same.
func (c *command) completion(context.Context) int {
	shells := map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	known := slices.Sorted(maps.Keys(shells))
	if len(c.args) != 1 {
		return c.usage("completion", fmt.Errorf("of which shell? Write one of: completion %s", strings.Join(known, ", completion ")))
	}
	script, ok := shells[c.args[0]]
	if !ok {
		return c.usage("completion", fmt.Errorf("there is no completion for %q: it must be one of %s%s", c.args[0], strings.Join(known, ", "), meant(c.args[0], known, "")))
	}
	if _, err := fmt.Fprint(c.stdout, script()); err != nil {
		return c.failed("completion", err)
	}
	return exitOK
}

// named returns the names of the subcommands.
func named() []string {
	all := slices.Sorted(maps.Keys(subcommands()))
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// wordsOf returns what can follow a subcommand. A flag that has a value ends in "=".
func wordsOf(name string) []string {
	words := slices.Clone(completionWords[name])
	if name == "" {
		words = append(named(), "help")
	}
	for _, m := range flagOfHelp.FindAllStringSubmatch(help(name), -1) {
		words = append(words, "--"+m[1]+m[2])
	}
	return words
}

func bashCompletion() string {
	var b strings.Builder
	b.WriteString(`# autoscalebot completion bash: put it into a file of ~/.local/share/bash-completion/completions
# that is called autoscalebot, or run: source <(autoscalebot completion bash)
_autoscalebot() {
	local line=${COMP_LINE:0:COMP_POINT} sub= word words
	local cur=${line##*[[:space:]]}
	for word in ${line#*[[:space:]]}; do
		case $word in -*) ;; "$cur") ;; *) sub=$word; break ;; esac
	done
	case $sub in
`)
	for _, name := range append(named(), "") {
		pattern := name
		if name == "" {
			pattern = "*"
		}
		fmt.Fprintf(&b, "\t%s) words='%s' ;;\n", pattern, strings.Join(wordsOf(name), " "))
	}
	b.WriteString(`	esac
	COMPREPLY=()
	case $cur in
	--*=*) COMPREPLY=($(compgen -f -- "${cur#*=}")) ;;
	*)
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		case ${COMPREPLY[0]-} in *=) compopt -o nospace 2>/dev/null ;; esac
		;;
	esac
}
complete -F _autoscalebot autoscalebot
`)
	return b.String()
}

func zshCompletion() string {
	var b strings.Builder
	b.WriteString(`#compdef autoscalebot
# autoscalebot completion zsh: put it into a file _autoscalebot in a folder of $fpath,
# or run: source <(autoscalebot completion zsh)
_autoscalebot() {
	local word sub=
	local -a words_of flags_of
	for word in ${words[2,CURRENT-1]}; do
		case $word in -*) ;; *) sub=$word; break ;; esac
	done
	case $sub in
`)
	for _, name := range append(named(), "") {
		pattern := name
		if name == "" {
			pattern = "*"
		}
		var plain, valued []string
		for _, w := range wordsOf(name) {
			if strings.HasSuffix(w, "=") {
				valued = append(valued, w)
			} else {
				plain = append(plain, w)
			}
		}
		fmt.Fprintf(&b, "\t%s) words_of=(%s); flags_of=(%s) ;;\n", pattern, strings.Join(plain, " "), strings.Join(valued, " "))
	}
	b.WriteString(`	esac
	if [[ $PREFIX == --*=* ]]; then
		compset -P '*='
		_files
		return
	fi
	compadd -- $words_of
	compadd -S '' -- $flags_of
}
if [[ $funcstack[1] == _autoscalebot ]]; then _autoscalebot "$@"; else compdef _autoscalebot autoscalebot; fi
`)
	return b.String()
}

func fishCompletion() string {
	var b strings.Builder
	b.WriteString("# autoscalebot completion fish > ~/.config/fish/completions/autoscalebot.fish\ncomplete -c autoscalebot -f\n")
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	for _, name := range append([]string{""}, named()...) {
		when := "__fish_use_subcommand"
		if name != "" {
			when = "__fish_seen_subcommand_from " + name
			fmt.Fprintf(&b, "complete -c autoscalebot -n __fish_use_subcommand -a %s -d %s\n", name, quote(summaryOf(name)))
		}
		for _, word := range completionWords[name] {
			fmt.Fprintf(&b, "complete -c autoscalebot -n %s -a %s\n", quote(when), word)
		}
		for _, m := range flagOfHelp.FindAllStringSubmatch(help(name), -1) {
			value := ""
			if m[2] != "" {
				value = " -r -F"
			}
			fmt.Fprintf(&b, "complete -c autoscalebot -n %s -l %s%s -d %s\n", quote(when), m[1], value, quote(m[3]))
		}
	}
	return b.String()
}

// summaryOf returns what the usage says of a subcommand.
func summaryOf(name string) string {
	for line := range strings.Lines(usage) {
		if rest, ok := strings.CutPrefix(line, "\tautoscalebot "+name); ok && rest[0] == ' ' {
			_, text, _ := strings.Cut(strings.TrimSpace(rest), "  ")
			return strings.TrimSpace(text)
		}
	}
	return ""
}
