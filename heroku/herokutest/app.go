package herokutest

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// An AppConfig describes the app that [Server.AddApp] adds.
type AppConfig struct {
	// Name is the app's name. Required: 3 to 30 lower-case letters, digits and dashes.
	Name string

	// ID is the app's id, a UUID. Defaults to a random one.
	ID string

	// WebURL is the web_url of the app. Defaults to
	// https://NAME-xxxxxxxxxxxx.herokuapp.com/, in which the x are random, as for an app
	// on Heroku.
	WebURL string

	// Formation has the app's process types. Without any, the app was never deployed, and
	// there is nothing to scale.
	Formation []Process

	// Boot is how long a new dyno is starting before it is up. 0: it is up at once.
	// Negative: it is starting until [App.SetDynoState] changes that.
	Boot time.Duration

	// Limit is how many dynos the app may have, of all process types together. Above it,
	// the API answers 422 with the id cannot_run_above_limit and the limit. Defaults to
	// Heroku's 100.
	//
	// Whatever the limit, a process type may have at most 1 dyno of the sizes Eco and
	// Basic (422 with the id invalid_params), and at most 10 of the Performance, Private
	// and Shield sizes (422 with the id cannot_run_above_limit).
	Limit int

	// HideLimit makes a refusal above a limit leave out the number. It is then a 422 with
	// the id cannot_update_above_limit.
	HideLimit bool

	// Maintenance reports whether the app is in maintenance mode.
	Maintenance bool
}

// A Process is a process type of an app's formation.
type Process struct {
	Type     string // such as "web"; required
	Quantity int    // how many dynos; 0: none
	Size     string // such as "Standard-1X", which is the default
	Command  string // such as "bin/web"; defaults to "bin/" and the type
}

// A DynoState is what a dyno is doing.
type DynoState string

// The states of a dyno.
const (
	Starting DynoState = "starting"
	Up       DynoState = "up"
	Down     DynoState = "down"
	Crashed  DynoState = "crashed"
	Idle     DynoState = "idle"
)

// A Dyno is a running process of an app.
type Dyno struct {
	ID      string
	Name    string // such as "web.1"
	Type    string // as "web"
	Size    string
	State   DynoState
	Created time.Time
	Updated time.Time // when its state last changed
}

// A Monitor is a rule of Heroku's native autoscaling. It scales if it is active and its
// action type is "scale".
type Monitor struct {
	ID                   string   `json:"id"`
	Name                 string   `json:"name"` // such as "LATENCY_SCALE"
	ActionType           string   `json:"action_type"`
	IsActive             bool     `json:"is_active"`
	MinQuantity          int      `json:"min_quantity"`
	MaxQuantity          int      `json:"max_quantity"`
	Op                   string   `json:"op"`     // such as "GREATER_OR_EQUAL"
	Period               int      `json:"period"` // minutes
	Value                float64  `json:"value"`  // the 95th percentile of response times to keep, milliseconds
	NotificationChannels []string `json:"notification_channels"`
	NotificationPeriod   int      `json:"notification_period"`
}

// An App is an app of a [Server].
type App struct {
	s           *Server
	id, name    string
	webURL      string
	boot        time.Duration
	releaseID   string
	created     time.Time
	updated     time.Time
	limit       int
	hideLimit   bool
	maintenance bool
	processes   []*process
}

type process struct {
	id, typ, size, command string
	created, updated       time.Time
	dynos                  []*dyno // dynos[i] has the number i+1
	monitors               []Monitor
}

type dyno struct {
	id      string
	created time.Time
	state   DynoState // "": starting, then up
	updated time.Time // of state
}

var (
	validName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,28}[a-z0-9]$`)
	validType = regexp.MustCompile(`^[-\w]{1,128}$`)
)

// AddApp adds an app. It panics if the configuration is invalid, or if the Server
// already has an app of that name or id.
func (s *Server) AddApp(cfg AppConfig) *App {
	now := time.Now()
	a := &App{
		s: s, id: cfg.ID, name: cfg.Name, webURL: cfg.WebURL, boot: cfg.Boot, releaseID: newUUID(),
		created: now, updated: now, limit: cfg.Limit, hideLimit: cfg.HideLimit, maintenance: cfg.Maintenance,
	}
	if !validName.MatchString(a.name) {
		panic(fmt.Sprintf("herokutest: AddApp: name %q: not 3 to 30 lower-case letters, digits and dashes", a.name))
	}
	if a.id == "" {
		a.id = newUUID()
	}
	if a.webURL == "" {
		a.webURL = "https://" + a.name + "-" + newUUID()[24:] + ".herokuapp.com/"
	}
	if a.limit == 0 {
		a.limit = 100
	}
	for _, p := range cfg.Formation {
		a.processes = append(a.processes, a.newProcess(p, now))
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(a.name) != nil || s.find(a.id) != nil {
		panic(fmt.Sprintf("herokutest: AddApp: there is an app %q, or one with the id %q, already", a.name, a.id))
	}
	s.apps = append(s.apps, a)
	return a
}

func (a *App) newProcess(p Process, now time.Time) *process {
	if p.Size == "" {
		p.Size = "Standard-1X"
	}
	if p.Command == "" {
		p.Command = "bin/" + p.Type
	}
	size, ok := findSize(p.Size)
	switch {
	case !validType.MatchString(p.Type):
		panic(fmt.Sprintf("herokutest: AddApp: app %s: process type %q: not 1 to 128 letters, digits, dashes and underscores", a.name, p.Type))
	case a.process(p.Type) != nil:
		panic(fmt.Sprintf("herokutest: AddApp: app %s: process type %q: given twice", a.name, p.Type))
	case p.Quantity < 0:
		panic(fmt.Sprintf("herokutest: AddApp: app %s: process type %s: quantity %d: negative", a.name, p.Type, p.Quantity))
	case !ok:
		panic(fmt.Sprintf("herokutest: AddApp: app %s: process type %s: no such size as %q", a.name, p.Type, p.Size))
	}
	pr := &process{id: newUUID(), typ: p.Type, size: size.Name, command: p.Command, created: now, updated: now}
	pr.resize(p.Quantity, now)
	return pr
}

// find returns the app of a name or id, or nil. It needs s.mu.
func (s *Server) find(identity string) *App {
	for _, a := range s.apps {
		if a.name == identity || a.id == identity {
			return a
		}
	}
	return nil
}

// process returns the process of a type or id, or nil.
func (a *App) process(identity string) *process {
	for _, p := range a.processes {
		if p.typ == identity || p.id == identity {
			return p
		}
	}
	return nil
}

// must is like process, for callers in tests, who know what they added.
func (a *App) must(typ string) *process {
	p := a.process(typ)
	if p == nil {
		panic(fmt.Sprintf("herokutest: app %s has no process type %q", a.name, typ))
	}
	return p
}

// resize makes p have n dynos. The newest end first.
func (p *process) resize(n int, now time.Time) {
	for len(p.dynos) < n {
		p.dynos = append(p.dynos, &dyno{id: newUUID(), created: now})
	}
	clear(p.dynos[n:])
	p.dynos = p.dynos[:n]
}

// view returns the dyno at index i in its present state.
func (a *App) view(p *process, i int, now time.Time) Dyno {
	d := p.dynos[i]
	v := Dyno{
		ID: d.id, Name: fmt.Sprintf("%s.%d", p.typ, i+1), Type: p.typ, Size: p.size,
		State: d.state, Created: d.created, Updated: d.updated,
	}
	if d.state == "" {
		v.State, v.Updated = Starting, d.created
		if up := d.created.Add(a.boot); a.boot >= 0 && !now.Before(up) {
			v.State, v.Updated = Up, up
		}
	}
	return v
}

// Name returns the app's name.
func (a *App) Name() string { return a.name }

// ID returns the app's id.
func (a *App) ID() string { return a.id }

// WebURL returns the web_url of the app.
func (a *App) WebURL() string { return a.webURL }

// Quantity returns how many dynos a process type has. It panics if the app does not have the type.
func (a *App) Quantity(typ string) int {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return len(a.must(typ).dynos)
}

// Scale sets how many dynos a process type has, without regard to limits, as if somebody
// did it without this API. It panics if the app does not have the type, or if n is
// negative.
func (a *App) Scale(typ string, n int) {
	if n < 0 {
		panic(fmt.Sprintf("herokutest: app %s: Scale(%q, %d): negative", a.name, typ, n))
	}
	func() {
		a.s.mu.Lock()
		defer a.s.mu.Unlock()
		a.set(a.must(typ), n, "", time.Now())
	}()
	a.s.tell()
}

// set makes p have n dynos, of another size if one is given. It needs s.mu. Call tell
// afterwards.
func (a *App) set(p *process, n int, size string, now time.Time) {
	from := len(p.dynos)
	if size != "" && size != p.size {
		p.size, p.updated = size, now
		p.resize(0, now) // a dyno cannot change its size, so all are replaced
	}
	p.resize(n, now)
	if n != from {
		p.updated = now
		a.s.scaled = append(a.s.scaled, scaling{a.name, p.typ, from, n})
	}
}

// SetMaintenance turns maintenance mode on or off.
func (a *App) SetMaintenance(on bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.setMaintenance(on, time.Now())
}

func (a *App) setMaintenance(on bool, now time.Time) {
	if a.maintenance != on {
		a.maintenance, a.updated = on, now
	}
}

// SetLimit sets the limit that [AppConfig.Limit] describes. Dynos that run go on
// running.
func (a *App) SetLimit(n int) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.limit = n
}

// SetMonitors sets the rules of native autoscaling of a process type. The fake only
// shows them. It panics if the app does not have the type.
func (a *App) SetMonitors(typ string, monitors ...Monitor) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.must(typ).monitors = slices.Clone(monitors)
}

// Dynos returns the app's dynos as they are now: by process type, in the order of
// the formation, and then by number.
func (a *App) Dynos() []Dyno {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	now := time.Now()
	var out []Dyno
	for _, p := range a.processes {
		for i := range p.dynos {
			out = append(out, a.view(p, i, now))
		}
	}
	return out
}

// SetDynoState sets the state of a dyno, given its name, such as "web.1", or its id. The
// state lasts until the next call or until the dyno ends. With the empty state, the
// state follows from the time since the dyno was created. SetDynoState reports whether
// there is such a dyno.
func (a *App) SetDynoState(dyno string, state DynoState) bool {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	now := time.Now()
	for _, p := range a.processes {
		for i, d := range p.dynos {
			if v := a.view(p, i, now); v.Name == dyno || v.ID == dyno {
				if v.State != state {
					d.state, d.updated = state, now
				}
				return true
			}
		}
	}
	return false
}
