// Package settings makes an [autoscale.Config] of autoscalebot's settings, which
// are names with values, from a file, from the environment, or from both.
//
//	s, err := settings.Load(settings.Options{File: "autoscale.env", Environ: os.Environ()})
//	if err == nil {
//		err = s.Config.Validate()
//	}
//	if err != nil {
//		log.Fatal(err)
//	}
//	err = autoscale.New(s.Config).Run(ctx)
//
// [Sample] has every setting with its default and its meaning. On Heroku, which is the
// default PLATFORM, HEROKU_APP_NAME and HEROKU_API_KEY are required.
//
// # Names
//
// Every name may have the prefix AUTOSCALE_, as in Django's settings. In a file, a name
// that is not a setting is a fault. So is an unknown variable of the environment that
// has the prefix. Other unknown variables are ignored.
//
// # The file
//
// The file has lines of the form KEY=VALUE. Most of an autoscale_settings.py can be
// pasted unchanged:
//
//	# Nights are quiet.
//	HEROKU_APP_NAME = "dancing-forest-1234"
//	export HEARTBEAT_INTERVAL_IN_SECONDS=15    # "export" is passed over
//	NOTIFICATION_BACKENDS = ['console', 'autoscalebot.backends.notification.DjangoEmailBackend']
//	MAX_DYNOS = {
//	    "0:00": 2,
//	    "9:00": 5,     # the shop opens
//	    "17:00": 2,
//	}
//
// White space around the equals sign is ignored. Quotation marks around a value are
// removed. Within double ones, \" and \\ stand for " and \. A value that begins with a
// bracket continues, over lines and comments, to the bracket that closes it. Elsewhere a
// # after white space begins a comment. Variables in values are not expanded, and Python
// is not run. An expression, a call or os.environ is a fault that says what to write
// instead. An empty value, and None, count as if the setting were absent.
//
// # The rule and what is measured
//
// DECISION_BACKEND chooses the rule, and MEASUREMENT_BACKEND what is measured. With
// autoscalebot's own settings alone they are autoscalebot's: [autoscale.Consecutive] on a
// heartbeat. Every field of the rules, the limits and the probers has a setting. One that
// the chosen rule does not read makes a warning. Errors of the prober and the platform
// name settings and not fields.
//
// # Which value counts
//
// A variable of the environment overrides the file, so that one setting can be changed
// without a deploy. If the variable has no prefix, and might be meant for another
// program, a warning says so. Two different values in the file, or in the environment
// with and without prefix, are a fault.
//
// Variables that a platform sets are different. Examples are FLY_APP_NAME, AWS_REGION,
// and HEROKU_APP_NAME, which Heroku sets on every dyno to the dyno's own app if that has
// the feature runtime-dyno-metadata. Without prefix they count only if neither the file
// nor the variable with the prefix gives the setting.
//
// # What notifiers get
//
// The settings NOTIFY_IF_… and NOTIFY_ON_… add kinds of event or take them away.
// Whatever the settings, all notifiers get the events which say that the autoscaler
// cannot do its work: [autoscale.ProbeFailing], [autoscale.ScaleFailing],
// [autoscale.LimitReached], [autoscale.Panicked] and [autoscale.Yielding]. A backend
// that names kinds itself, as email:scaled|panicked, gets those and no others.
package settings

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/pool"
)

// Options say where the settings are. They are nowhere else: Load reads neither
// the environment of the process nor any other file.
type Options struct {
	// File is the path of the settings file. Empty: no file.
	File string

	// FS is where File is opened. Nil: the file system of the machine.
	FS fs.FS

	// Environ is the environment, in the form of os.Environ: later entries of a
	// name replace earlier ones. Nil: none.
	Environ []string

	// Console is what the notification backend console writes to. Nil: os.Stdout.
	Console io.Writer

	// Offline is for what calls no platform, such as a simulation. What the platform
	// requires may be missing then, and the Scaler of the Config returns errors.
	Offline bool

	// Scalers make the Scaler of a platform whose client is in a module of its own, by the
	// value of PLATFORM: "kubernetes" and "dokku". The program contrib/autoscalebot has both.
	// A platform that is missing here cannot be chosen.
	Scalers map[string]ScalerFunc

	// Logger becomes Config.Logger, and is what the notification backend log
	// writes to, marked as notification=true. Nil: slog.Default().
	Logger *slog.Logger
}

// Format writes the options without the environment, which holds secrets.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "settings.Options(file %q, %d variables)", o.File, len(o.Environ))
}

// MarshalJSON writes what Format does.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

// Settings are the settings, read.
type Settings struct {
	// Config is ready for autoscale.New. Its fields can be changed before, to
	// add an Observe or an Elector for instance.
	Config autoscale.Config

	// App is the app whose process type Config.Name is scaled, as PLATFORM names apps.
	// Empty: Options.Offline is set, and the settings do not name it.
	App string

	// Own are the variables of the environment by which the platform says that what is
	// scaled is what this program runs in. That is right in a service that scales itself,
	// and wrong in a worker that scales another one. Nil: the platform says nothing of that.
	Own []string

	// Heartbeat is HEARTBEAT_URL, or JSON_URL if that is measured, without what may be
	// secret: user, password and query.
	Heartbeat string

	// Zone is where the times of Min and Max are read. It is time.Local where
	// TIME_ZONE was not given.
	Zone *time.Location

	// LogLevel is LOG_LEVEL. It is for whoever makes Options.Logger.
	LogLevel slog.Level

	store func() string // so that no formatting shows it

	// Warnings are what is odd about the settings and can be lived with, a line
	// each, without secrets.
	Warnings []string
}

// Store returns STORE, the URL of the store in which the state is kept. It may hold a
// password. Empty: none. Load opens no store: the program that does sets Config.Elector.
func (s *Settings) Store() string {
	if s.store == nil {
		return ""
	}
	return s.store()
}

// Load reads the settings. Everything that is wrong with them is in the one
// error, which is an [*Error] unless the file could not be read. Load makes no
// connection: whether the app and the heartbeat are there is seen by the first tick.
func Load(o Options) (*Settings, error) {
	l := loader{offline: o.Offline}
	if o.File != "" {
		text, err := readFile(o.FS, o.File)
		if err != nil {
			return nil, err
		}
		l.given, l.faults = parseFile(o.File, text)
	}
	l.given = append(l.given, environment(o.Environ)...)
	for _, g := range l.given {
		if k := find(g.bare()); k != nil && k.secret && len(g.value) >= 6 {
			l.secrets = append(l.secrets, g.value)
			if texts, err := dictionary(g.value); err == nil { // headers
				for _, text := range texts {
					if len(text) >= 6 {
						l.secrets = append(l.secrets, text)
					}
				}
			}
		}
	}
	chosen := l.choose()
	v := l.read(chosen)
	v.getenv, v.scalers = getenv(o.Environ), o.Scalers
	l.check(v, chosen)
	cfg := l.config(v, o)
	if len(l.faults) == 0 {
		l.validate(cfg, chosen)
	}
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, func(a, b Fault) int { return cmp.Compare(a.order(), b.order()) })
		return nil, &Error{l.faults}
	}
	measured := v.heartbeatURL
	if v.measurement == jsonBackend {
		measured = v.jsonURL
	}
	app, own := v.app, []string(nil)
	if p := v.choice(); p != nil {
		app, own = v.appOf(p), v.own(p, o.Environ)
	}
	return &Settings{
		Config: cfg, App: app, Own: own, Heartbeat: withoutSecrets(measured),
		Zone: v.zone, LogLevel: v.logLevel, Warnings: l.warnings,
		store: func() string { return v.store },
	}, nil
}

// ofPool are variables with our prefix that are not settings: a Pool sets them for its
// processes.
var ofPool = []string{pool.EnvProcess, pool.EnvNumber, pool.EnvURL, pool.EnvToken}

// environment returns the variables that have a name of ours, or our prefix.
func environment(environ []string) []given {
	var out []given
	at := make(map[string]int)
	for _, variable := range environ {
		name, value, ok := strings.Cut(variable, "=")
		g := given{name: name, value: strings.TrimSpace(value), where: fromEnviron}
		if k := find(name); !ok || g.bare() == name && (k == nil || k.prefixed) || slices.Contains(ofPool, name) {
			continue
		}
		if i, again := at[name]; again {
			out[i] = g
			continue
		}
		at[name] = len(out)
		out = append(out, g)
	}
	return out
}

// getenv returns what looks up a variable of an environment.
func getenv(environ []string) func(name string) string {
	return func(name string) string {
		for _, variable := range slices.Backward(environ) {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// loader gathers what is wrong while the settings are read.
type loader struct {
	offline  bool // see Options
	given    []given
	secrets  scrubber
	bad      map[string]bool // settings that could not be read and have their default
	faults   []Fault
	warnings []string
}

// fault notes what is wrong with g, as the rest of a sentence that begins with its name.
func (l *loader) fault(g given, format string, args ...any) {
	problem := l.secrets.clean(fmt.Sprintf(format, args...), maxProblem)
	name := l.secrets.clean(g.name, maxShown) // of the environment, it may be anything
	l.faults = append(l.faults, Fault{Setting: name, Where: g.where, Problem: problem, line: g.line})
}

// show returns a value as a message has it.
func (l *loader) show(value string) string {
	value = l.secrets.clean(value, maxShown)
	if value[0] == '{' || value[0] == '[' {
		return value // has quotation marks of its own
	}
	return strconv.Quote(value)
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, l.secrets.clean(fmt.Sprintf(format, args...), maxProblem))
}

// choose finds which of the given values counts, for each setting that has one.
func (l *loader) choose() map[string]given {
	chosen := make(map[string]given)
	for _, g := range l.given {
		k := find(g.bare())
		if k == nil {
			l.fault(g, "%s", unknown(g.name))
			continue
		}
		if g.value == "" || g.value == "None" {
			continue
		}
		was, before := chosen[k.name]
		switch {
		case !before || was.value == g.value:
			// The environment comes behind the file, and where they agree it
			// makes no difference.
			chosen[k.name] = g
		case k.ambient && g.where == fromEnviron && g.name == k.name:
			l.warn("%s of the environment is passed over: %s counts", g.name, was)
		case k.ambient && was.where == fromEnviron && was.name == k.name:
			l.warn("%s of the environment is passed over: %s counts", was.name, g)
			chosen[k.name] = g
		case was.where == fromEnviron || g.where != fromEnviron:
			l.fault(g, "contradicts %s: give one of the two, or both the same value", was)
		default:
			if g.name == k.name {
				l.warn("%s of the environment counts before %s: if the variable is meant for another program, give this one as %s%s", g.name, was, prefix, g.name)
			}
			chosen[k.name] = g
		}
	}
	return chosen
}

// read reads the chosen values, and the defaults of the rest.
func (l *loader) read(chosen map[string]given) *values {
	v := &values{zone: time.Local}
	l.bad = make(map[string]bool)
	for i := range keys {
		k := &keys[i]
		if k.initial != "" {
			if err := k.read(v, k.initial); err != nil {
				panic(fmt.Sprintf("settings: the default of %s: %v", k.name, err)) // held by a test
			}
		}
		g, ok := chosen[k.name]
		if !ok {
			if k.required != "" && !l.offline && (k.platform == "" || k.platform == v.platform && !l.bad["PLATFORM"]) {
				l.fault(given{name: k.name}, "is missing: %s%s", k.required, orElsewhere(k.name, chosen))
			}
			continue
		}
		if problem := meantElsewhere(k, g.value); problem != "" {
			l.bad[k.name] = true
			l.fault(g, "%s", problem)
			continue
		}
		if warning := doubtful(k, g.value); warning != "" {
			l.warn("%s %s", g, warning)
		}
		if err := k.read(v, g.value); err != nil {
			l.bad[k.name] = true
			l.fault(g, "%s", l.refusal(k, g.value, err))
		}
	}
	return v
}

// refusal says that a value is wrong, and what to do. It shows the value only if it
// holds nothing that may be secret.
func (l *loader) refusal(k *key, value string, err error) string {
	problem := err.Error()
	if better := remedy(k.name, value); better != "" {
		problem = better
	}
	if k.secret {
		return "is not right: " + problem
	}
	if hides(value) {
		return "is not right, and not shown because a password or another setting may be in it: " + hideQuoted(problem)
	}
	return fmt.Sprintf("is %s: %s", l.show(value), problem)
}
