package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/settings"
)

// An Opener opens the store at a URL, for the lease that opts name. If create is true and
// the store is a file that is missing, the file is created when it is used. Its error, and
// those of the Store, must not show the URL's password. It makes no connection.
type Opener func(storeURL string, create bool, opts *leader.Options) (Store, error)

// A Store is what an [Opener] opens.
type Store struct {
	Elector *leader.Elector

	// Check reports a store that answers and has no leases, which reading one would prepare
	// for them. Nil: reading changes nothing.
	Check func(ctx context.Context) error

	// Names lists up to a hundred leases of the store. Nil: that is not possible.
	Names func(ctx context.Context) ([]string, error)
}

// target says which autoscaler a subcommand looks at or steers.
type target struct {
	store, page      string
	name, app, lease string
	by, zone         string
	json             bool
}

// flags defines those that all subcommands on a running autoscaler have.
func (t *target) flags(flags *flag.FlagSet) {
	flags.StringVar(&t.store, "store", "", "")
	flags.StringVar(&t.page, "url", "", "")
	flags.StringVar(&t.name, "name", "", "")
	flags.StringVar(&t.app, "app", "", "")
	flags.StringVar(&t.lease, "lease", "", "")
	flags.StringVar(&t.zone, "time-zone", "", "")
	flags.BoolVar(&t.json, "json", false, "")
}

// orderFlags defines those that subcommands have which give a command.
func (t *target) orderFlags(flags *flag.FlagSet) {
	t.flags(flags)
	flags.StringVar(&t.by, "by", "", "")
}

// An order is what a person wants of an autoscaler.
type order struct {
	Action string    `json:"action"` // pause, resume or override
	Name   string    `json:"name"`
	Size   *int      `json:"size,omitempty"` // of an override
	Until  time.Time `json:"until,omitzero"`
	By     string    `json:"by,omitempty"`
}

// A source is where an autoscaler is looked at and steered: its store or its page.
type source interface {
	read(ctx context.Context) (*document, error)
	give(ctx context.Context, o order) error
}

// The variables of the environment, for what must not be an argument.
const (
	envStore    = "AUTOSCALE_STORE"
	envDatabase = "DATABASE_URL"
	envToken    = "AUTOSCALE_TOKEN"
)

// callTimeout is how long a store or a page may take to answer.
const callTimeout = 15 * time.Second

// getenv returns a variable of the environment.
func (c *command) getenv(names ...string) string {
	for _, name := range names {
		for _, v := range slices.Backward(c.environ) {
			if value, ok := strings.CutPrefix(v, name+"="); ok && value != "" {
				return value
			}
		}
	}
	return ""
}

// zone returns the time zone in which times are read and shown.
func (c *command) zone() (*time.Location, error) {
	name := cmp.Or(c.target.zone, c.getenv("AUTOSCALE_TIME_ZONE", "TIME_ZONE"))
	if name == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("--time-zone is %q, which is not the name of a time zone: write one like --time-zone=Europe/Berlin", name)
	}
	return zone, nil
}

// source returns what the flags and the environment name.
func (c *command) source() (source, error) {
	t := &c.target
	if t.by == "" {
		t.by = c.getenv("USER", "USERNAME", "LOGNAME")
		if u, err := user.Current(); t.by == "" && err == nil {
			t.by = u.Username
		}
	}
	switch {
	case t.page == "":
		return c.openStore()
	case t.store != "":
		return nil, errors.New("--url and --store are both given: give one of them")
	}
	return c.openPage()
}

// openStore opens the store that --store, --settings or the environment names.
func (c *command) openStore() (source, error) {
	t := &c.target
	name := cmp.Or(t.name, c.getenv("AUTOSCALE_PROCESS_TYPE", "PROCESS_TYPE"), autoscale.DefaultName)
	app := cmp.Or(t.app, c.getenv("AUTOSCALE_HEROKU_APP_NAME"), names.App(func(name string) string { return c.getenv(name) }))
	text, from := t.store, "--store"
	set, err := c.read()
	switch {
	case c.settings == "":
		// The environment may be that of a worker on a platform other than Heroku.
		if err == nil && set.App != "" && c.getenv("AUTOSCALE_PLATFORM", "PLATFORM") != "" {
			app = cmp.Or(t.app, set.App)
		}
	case err != nil:
		return nil, err
	default:
		name, app = cmp.Or(t.name, set.Config.Name), cmp.Or(t.app, set.App)
		if app == "" && t.lease == "" {
			return nil, errors.New("the settings do not name the app, and the state is found by that name: give the setting that names it, or --app")
		}
		if text == "" {
			text, from = set.Store(), "the setting STORE"
		}
	}
	for _, variable := range []string{envStore, envDatabase} {
		if text == "" {
			text, from = c.getenv(variable), variable
		}
	}
	if text == "" {
		return nil, fmt.Errorf("which store does the service use? Set %s to its URL, as postgres://… or sqlite:FILE, or give --store; or give --url, the address of its status page", envStore)
	}
	if from == "--store" && showsPassword(text) {
		fmt.Fprintf(c.stderr, "autoscalebot: every user of this machine can see the password in --store, with ps: set %s instead\n", envStore)
	}
	lease := cmp.Or(t.lease, names.Lease(app, name))
	s, err := c.open(text, from, false, &leader.Options{Name: lease, Logger: discard})
	if err != nil {
		return nil, err
	}
	return newStoreSource(s, name, app, lease)
}

// read reads the settings, for which autoscaler they are about.
func (c *command) read() (*settings.Settings, error) {
	return settings.Load(settings.Options{File: c.settings, Environ: c.settingsEnviron(), Offline: true, Console: io.Discard, Logger: discard})
}

// open opens a store by its URL.
func (c *command) open(text, from string, create bool, opts *leader.Options) (Store, error) {
	scheme, _, ok := strings.Cut(text, ":")
	if !ok || scheme == "" {
		return Store{}, fmt.Errorf("%s is not a URL: write it as postgres://user:password@host/database or sqlite:FILE", from)
	}
	open, ok := c.stores[strings.ToLower(scheme)]
	switch {
	case ok:
	case len(c.stores) == 0:
		return Store{}, fmt.Errorf("%s names a store, and this build of autoscalebot can open none: build the one in contrib/autoscalebot, which can, with go -C contrib/autoscalebot install . in the source of autoscale. Status and commands work without a store too: give --url, the address of the status page of the service", from)
	default:
		known := slices.Sorted(maps.Keys(c.stores))
		return Store{}, fmt.Errorf("%s begins with %.20q: this build opens stores whose URL begins with one of %s%s", from, scheme+":", strings.Join(known, ", "), meant(scheme, known, ""))
	}
	s, err := open(text, create, opts)
	if err != nil {
		return Store{}, fmt.Errorf("%s: %w", from, err)
	}
	return s, nil
}

// showsPassword reports whether a URL holds a password, or may.
func showsPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return true
	}
	_, secret := u.User.Password()
	return secret || u.Query().Has("password")
}
