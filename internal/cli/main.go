// Package cli is the program autoscalebot, without the drivers of databases. Two commands
// have it: cmd/autoscalebot, which needs no module but the root, and contrib/autoscalebot,
// which can open stores too.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // schedules have zones, and slim images have no database of them

	"github.com/autoscalebot/autoscale/settings"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the program with the arguments and the environment of the process, and does not
// return. stores has the kinds of store that this build can open, by the scheme of their
// URLs, and scalers the platforms that it has in addition to those of package settings.
// Both may be nil.
func Main(stores map[string]Opener, scalers map[string]settings.ScalerFunc) {
	// A second interrupt ends the program at once. A second SIGTERM does not:
	// Heroku may send several.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	c := command{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, stores: stores, scalers: scalers}
	status := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// command is one run of the program.
type command struct {
	environ        []string
	stdout, stderr io.Writer

	settings string
	offline  bool // no platform is called
	level    levelFlag
	version  bool

	simulation simulation
	target     target
	stores     map[string]Opener
	scalers    map[string]settings.ScalerFunc
	args       []string // what is not a flag, after the subcommand
}

// levelFlag is a slog.Level that may not have been given.
type levelFlag struct {
	slog.Level
	given bool
}

// Set reads the flag's value.
func (l *levelFlag) Set(text string) error {
	if err := l.UnmarshalText([]byte(text)); err != nil {
		return errors.New("it must be debug, info, warn or error")
	}
	l.given = true
	return nil
}

// A subcommand is one thing that the program does.
type subcommand struct {
	run   func(*command, context.Context) int
	flags func(*command, *flag.FlagSet) // defines those that it has of its own. Nil: none
	words bool                          // it takes arguments that are not flags
}

// subcommands returns those that have a name; scaling has none.
func subcommands() map[string]subcommand {
	looks := func(c *command, f *flag.FlagSet) { c.target.flags(f) }
	steers := func(c *command, f *flag.FlagSet) { c.target.orderFlags(f) }
	return map[string]subcommand{
		"":           {run: (*command).run},
		"check":      {run: (*command).check},
		"sample":     {run: (*command).sample},
		"simulate":   {(*command).simulate, func(c *command, f *flag.FlagSet) { c.simulation.flags(f) }, false},
		"version":    {run: (*command).printVersion},
		"completion": {run: (*command).completion, words: true},
		"status":     {(*command).status, looks, false},
		"events":     {(*command).events, looks, false},
		"top":        {(*command).top, looks, false},
		"pause":      {(*command).pause, steers, true},
		"resume":     {(*command).resume, steers, false},
		"override":   {(*command).override, steers, true},
	}
}

// main returns the exit status.
func (c *command) main(ctx context.Context, args []string) int {
	c.stderr = scrubber{c.stderr}
	name, err := c.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(c.stdout, help(name))
		return exitOK
	}
	if err != nil {
		command := strings.TrimSpace("autoscalebot " + name)
		fmt.Fprintf(c.stderr, "autoscalebot: %v\n%s --help lists what there is.\n", err, command)
		return exitUsage
	}
	if c.version {
		return c.printVersion(ctx)
	}
	return subcommands()[name].run(c, ctx)
}

func (c *command) printVersion(context.Context) int {
	fmt.Fprintln(c.stdout, "autoscalebot", version())
	return exitOK
}

// parse reads flags, before and after the name of a subcommand. It returns the name, with
// an error too, so that the help is about that subcommand.
func (c *command) parse(args []string) (name string, err error) {
	flags := flag.NewFlagSet("autoscalebot", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.settings, "settings", "", "")
	flags.Var(&c.level, "log-level", "")
	flags.BoolVar(&c.version, "version", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return "", explain(err, flags, "")
	}
	name = flags.Arg(0)
	rest := flags.Args()[1:]
	all := subcommands()
	if name == "help" {
		name = ""
		if len(rest) > 0 {
			name = rest[0]
		}
		if _, ok := all[name]; ok {
			return name, flag.ErrHelp
		}
	}
	sub, ok := all[name]
	if !ok || name == "" {
		return "", fmt.Errorf("there is no subcommand %q%s", name, meant(name, slices.Collect(maps.Keys(all)), ""))
	}
	if sub.flags != nil {
		sub.flags(c, flags)
	}
	// Package flag stops at the first argument that is not a flag. It takes a number below 0
	// for one.
	for len(rest) > 0 && err == nil {
		if !sub.words || !belowZero.MatchString(rest[0]) {
			err = flags.Parse(rest)
			rest = flags.Args()
		}
		switch {
		case err != nil || len(rest) == 0:
		case sub.words:
			c.args, rest = append(c.args, rest[0]), rest[1:]
		case flags.Lookup("name") != nil:
			return name, fmt.Errorf("%s takes no argument %q: give the process type as --name=NAME", name, rest[0])
		default:
			return name, fmt.Errorf("%s takes no argument %q", name, rest[0])
		}
	}
	return name, explain(err, flags, name)
}

var belowZero = regexp.MustCompile(`^-[0-9]`)

// version is what the module system knows of how the program was built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version + " " + info.GoVersion
	}
	return "(unknown)"
}

// load reads the settings, and says what is wrong with them.
func (c *command) load() (*settings.Settings, *slog.Logger, bool) {
	var level slog.LevelVar
	logger := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: &level}))
	s, err := settings.Load(settings.Options{File: c.settings, Environ: c.settingsEnviron(), Offline: c.offline, Console: c.stdout, Scalers: c.scalers, Logger: logger})
	if err != nil {
		var faults *settings.Error
		if !errors.As(err, &faults) {
			fmt.Fprintln(c.stderr, "autoscalebot:", err)
			return nil, nil, false
		}
		for _, f := range faults.Faults {
			fmt.Fprintln(c.stderr, "autoscalebot:", f)
		}
		return nil, nil, false
	}
	level.Set(s.LogLevel)
	if c.level.given {
		level.Set(c.level.Level)
	}
	return s, logger, true
}

// settingsEnviron returns the environment without variables that have the prefix of
// settings but are not settings.
func (c *command) settingsEnviron() []string {
	return slices.DeleteFunc(slices.Clone(c.environ), func(v string) bool { return strings.HasPrefix(v, envToken+"=") })
}

// sample prints a settings file.
func (c *command) sample(context.Context) int {
	if _, err := io.WriteString(c.stdout, settings.Sample()); err != nil {
		fmt.Fprintln(c.stderr, "autoscalebot: sample:", err)
		return exitFailed
	}
	return exitOK
}
