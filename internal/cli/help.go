package cli

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale/internal/suggest"
)

const usage = `autoscalebot keeps the response time of an app within limits, by the number of its processes. It also
shows and steers any autoscaler of the library autoscale that keeps its state in a store.

Usage:

	autoscalebot [flags]          scale, until a SIGTERM or an interrupt
	autoscalebot check [flags]    measure once, read the size once, say what would be done, change nothing
	autoscalebot sample           print a settings file with every setting, its default and its meaning
	autoscalebot simulate [flags] say what the settings would do under a load, on a simulated app

	autoscalebot status           say what a running autoscaler did last, and why
	autoscalebot events           print what happened last, and who did it
	autoscalebot top              draw both, once a second
	autoscalebot pause            hold the size: pause for 2h, pause until 18:00, or pause until resume
	autoscalebot resume           end a pause or an override
	autoscalebot override         set the size: override 5 until 18:00, or override 5 for 2h

	autoscalebot version          print the version
	autoscalebot completion       print a script that completes arguments: completion bash, zsh or fish

autoscalebot SUBCOMMAND --help prints the flags of that subcommand.

` + commonFlags + `	--version            print the version

HEROKU_APP_NAME and HEROKU_API_KEY are required to scale on Heroku. PLATFORM chooses another
platform, which requires settings of its own. Every setting can be a variable of the
environment, with or without AUTOSCALE_ before its name. The environment overrides the file.

` + exitStatus

const commonFlags = `Flags:

	--settings=FILE      a file of KEY=VALUE lines; without it, only the environment
	--log-level=LEVEL    debug, info, warn or error, whatever LOG_LEVEL says
	--help               print this
`

const exitStatus = `Exit status: 0 done; 1 something failed; 2 wrong arguments or settings.
`

// targetFlags are those of all subcommands on a running autoscaler.
const targetFlags = `Which autoscaler:

	--store=URL          the store that the service uses, as postgres://user@host/database, sqlite:FILE,
	                     redis://host:port/0 or kubernetes://NAMESPACE. Without it: STORE of --settings, and of the environment
	                     AUTOSCALE_STORE, and then DATABASE_URL. Set one of these if the URL has a password: ps shows arguments
	--url=URL            instead of a store: the status page of the service, as https://host/autoscale/.
	                     Its token is read from AUTOSCALE_TOKEN of the environment
	--name=NAME          the process type, as Config.Name; PROCESS_TYPE or web
	--app=APP            the application, as leader.Options.App. Without it: what the settings or the platform's
	                     environment say. The lease is called APP/NAME, or NAME without an application
	--lease=NAME         the lease, if the service gives leader.Options.Name

Flags:

	--settings=FILE      the settings file of a stand-alone autoscalebot, for STORE, PROCESS_TYPE and HEROKU_APP_NAME
	--time-zone=ZONE     of times, as Europe/Berlin; TIME_ZONE or that of this machine
	--json               print JSON, as the status.json of a page
	--help               print this
`

// byFlag is that of subcommands which give a command.
const byFlag = `	--by=NAME            your name, which events show; USER
`

// helpOf is the help of each subcommand.
var helpOf = map[string]string{
	"": usage,
	"check": `autoscalebot check measures once and reads the size once. It says what autoscalebot would do now, and
changes nothing.

Usage:

	autoscalebot check [flags]

` + commonFlags + "\n" + exitStatus,
	"sample": `autoscalebot sample prints a settings file with every setting, its default and its meaning.

Usage:

	autoscalebot sample > autoscale.env
`,
	"simulate": `autoscalebot simulate runs the settings against a load on a simulated app, and says what they cost and how
many requests were too slow. Nothing is called: it needs neither an app nor a key.

Usage:

	autoscalebot simulate [flags]

` + commonFlags + `	--trace=FILE         the load: CSV lines of time,requests, or recorded samples in .jsonl; without it, a generated day
	--scale=FACTOR       multiply the load; 1
	--against=FILE       further settings, to compare with
	--html=FILE          write a page with charts
	--service-time=TIME  work on a request, on average; 100ms
	--slots=N            requests that a dyno works on at a time; 2
	--boot=TIME          from ordering a dyno to its serving; 30s
	--objective=TIME     the time within which 95 % of the requests should be answered; 500ms
	--price=PRICE        of a dyno in an hour
	--seed=N             of the random numbers; 1

` + exitStatus,
	"version": `autoscalebot version prints the version of autoscalebot and of Go.

Usage:

	autoscalebot version
`,
	"completion": `autoscalebot completion prints a script that completes arguments in a shell. The script says where to put it.

Usage:

	autoscalebot completion bash
	autoscalebot completion zsh
	autoscalebot completion fish
`,
	"status": `autoscalebot status says what a running autoscaler did last, and why.

Usage:

	autoscalebot status [flags]

` + targetFlags + "\n" + exitStatus,
	"events": `autoscalebot events prints what happened last, oldest first: when, what, and who did it.

Usage:

	autoscalebot events [flags]

` + targetFlags + "\n" + exitStatus,
	"top": `autoscalebot top draws status and the last events, once a second until it is interrupted. Each drawing reads
the store once.

Usage:

	autoscalebot top [flags]

` + targetFlags + "\n" + exitStatus,
	"pause": `autoscalebot pause holds the size, whatever is measured, until a time or until autoscalebot resume.

Usage:

	autoscalebot pause for 2h            s, m, h and d are units
	autoscalebot pause until 18:00       today, or tomorrow if that is past
	autoscalebot pause until tomorrow 9:00
	autoscalebot pause until 2026-12-24T18:00:00Z
	autoscalebot pause                   until autoscalebot resume

` + targetFlags + byFlag + "\n" + exitStatus,
	"resume": `autoscalebot resume ends a pause and an override. The autoscaler also stops yielding to another one.

Usage:

	autoscalebot resume [flags]

` + targetFlags + byFlag + "\n" + exitStatus,
	"override": `autoscalebot override sets the size, whatever is measured, until a time. The bounds Min and Max still hold.

Usage:

	autoscalebot override 5 until 18:00  see autoscalebot pause --help for times
	autoscalebot override 5 for 2h

` + targetFlags + byFlag + "\n" + exitStatus,
}

func help(name string) string { return helpOf[name] }

var (
	noFlag    = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	badValue  = regexp.MustCompile(`^invalid (?:boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([^:]*): (.*)$`)
	noValue   = regexp.MustCompile(`^flag needs an argument: -(.*)$`)
	onlyDigit = regexp.MustCompile(`^"-?[0-9.]+"$`)
)

// explain says what is wrong with a flag and what to write.
func explain(err error, flags *flag.FlagSet, subcommand string) error {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	text := err.Error()
	if m := noFlag.FindStringSubmatch(text); m != nil {
		var all []string
		flags.VisitAll(func(f *flag.Flag) { all = append(all, f.Name) })
		if subcommand == "" {
			if others := having(m[1]); others != nil {
				return fmt.Errorf("there is no flag --%s here: it belongs after %s", m[1], strings.Join(others, ", "))
			}
		}
		if word := m[1]; (word == "for" || word == "until") && slices.Contains([]string{"pause", "override"}, subcommand) {
			return fmt.Errorf("there is no flag --%s: write it as a word, as in %s", word, map[string]string{
				"pause": "pause for 2h, or pause until 18:00", "override": "override 5 for 2h, or override 5 until 18:00",
			}[subcommand])
		}
		return fmt.Errorf("there is no flag --%s%s", m[1], meant(m[1], append(all, "help"), "--"))
	}
	if m := noValue.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("--%s needs a value, as --%s=%s", m[1], m[1], example(m[1]))
	}
	m := badValue.FindStringSubmatch(text)
	if m == nil {
		return err
	}
	f := flags.Lookup(m[2])
	if f == nil {
		return err
	}
	problem := "it must be " + kind(f)
	if !isParse(m[3]) {
		problem = m[3]
	}
	if isTime(f) && onlyDigit.MatchString(m[1]) {
		n := strings.Trim(m[1], `"`)
		problem = fmt.Sprintf("it must have a unit: write --%s=%sms or --%s=%ss", f.Name, n, f.Name, n)
	}
	return fmt.Errorf("--%s is %s: %s", f.Name, m[1], problem)
}

// having returns the subcommands that have a flag.
func having(name string) []string {
	var all []string
	for _, sub := range named() {
		if slices.ContainsFunc(wordsOf(sub), func(w string) bool { return strings.TrimSuffix(w, "=") == "--"+name }) {
			all = append(all, sub)
		}
	}
	return all
}

// isParse reports whether a flag's problem is one of the package flag, which says little.
func isParse(problem string) bool {
	return slices.Contains([]string{"parse error", "value out of range"}, problem)
}

func isTime(f *flag.Flag) bool {
	switch f.Name {
	case "service-time", "boot", "objective":
		return true
	}
	return false
}

// kind says what the value of a flag is.
func kind(f *flag.Flag) string {
	switch f.Name {
	case "service-time", "boot", "objective":
		return "a time with its unit, as " + example(f.Name)
	case "slots":
		return "a whole number, as 2"
	case "seed":
		return "a whole number, 0 or more, as 1"
	case "scale", "price":
		return "a number, as " + example(f.Name)
	}
	return "true or false"
}

// example is a value of a flag.
func example(name string) string {
	return map[string]string{
		"settings": "autoscale.env", "against": "other.env", "trace": "week.csv", "html": "week.html", "log-level": "info",
		"service-time": "100ms", "boot": "30s", "objective": "500ms", "slots": "2", "seed": "1", "scale": "1.5", "price": "0.05",
		"store": "sqlite:autoscale.db", "url": "https://host/autoscale/", "name": "web", "app": "quiet-river", "lease": "quiet-river/web",
		"by": "alice", "time-zone": "Europe/Berlin",
	}[name]
}

// meant suggests the word that was probably meant.
func meant(name string, all []string, dashes string) string {
	if best := suggest.Nearest(name, all, "-"); best != "" {
		return ": is " + dashes + best + " meant?"
	}
	return ""
}
