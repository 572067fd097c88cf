// Command autoscalebot scales one process type of a Heroku app, from a dyno or
// a machine of its own. It is what a Procfile names:
//
//	autoscaleworker: autoscalebot --settings=autoscale.env
//
// Run
//
//	autoscalebot sample > autoscale.env
//
// for a settings file with every setting, and
//
//	autoscalebot check --settings=autoscale.env
//
// to see what would be done now, without doing it. Every setting can also be a
// variable of the environment; see the package settings.
//
// To see what the settings would do under a load, and what others would, run
//
//	autoscalebot simulate --settings=autoscale.env --against=other.env --trace=week.csv --html=week.html
//
// autoscalebot ends on SIGTERM and on an interrupt, within some ten seconds. Its
// exit status is 0 then, 2 where the arguments or the settings are wrong, with
// a line for each fault, and 1 where something else failed.
package main

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

func main() {
	// A second interrupt ends the program at once. A second SIGTERM does not:
	// Heroku may send several.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	c := command{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr}
	status := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// command is one run of the program.
type command struct {
	environ        []string
	stdout, stderr io.Writer

	settings string
	level    levelFlag
	version  bool

	simulation simulation
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

// subcommands are those that have a name; scaling has none.
var subcommands = map[string]func(*command, context.Context) int{
	"":         (*command).run,
	"check":    (*command).check,
	"sample":   (*command).sample,
	"simulate": (*command).simulate,
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
		fmt.Fprintln(c.stdout, "autoscalebot", version())
		return exitOK
	}
	return subcommands[name](c, ctx)
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
	if name == "help" {
		name = ""
		if len(rest) > 0 {
			name = rest[0]
		}
		if _, ok := subcommands[name]; ok {
			return name, flag.ErrHelp
		}
	}
	if _, ok := subcommands[name]; !ok || name == "" {
		return "", fmt.Errorf("there is no subcommand %q%s", name, meant(name, slices.Collect(maps.Keys(subcommands)), ""))
	}
	if name == "simulate" {
		c.simulation.flags(flags)
	}
	if err := flags.Parse(rest); err != nil {
		return name, explain(err, flags, name)
	}
	if flags.NArg() > 0 {
		return name, fmt.Errorf("%s takes no argument %q", name, flags.Arg(0))
	}
	return name, nil
}

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
	s, err := settings.Load(settings.Options{File: c.settings, Environ: c.environ, Console: c.stdout, Logger: logger})
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

// sample prints a settings file.
func (c *command) sample(context.Context) int {
	if _, err := io.WriteString(c.stdout, settings.Sample()); err != nil {
		fmt.Fprintln(c.stderr, "autoscalebot: sample:", err)
		return exitFailed
	}
	return exitOK
}
