package settings

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
)

// herokuPlatform is the value of PLATFORM that is autoscalebot's.
const herokuPlatform = "heroku"

// A platformChoice is a value of PLATFORM other than Heroku.
type platformChoice struct {
	name   string
	module string // that has its client. Empty: this package imports it
	keys   []key  // of this platform alone. Their texts are in values.texts

	// own are settings that the platform itself sets, and that together name what a
	// program runs in.
	own []string

	// app names what is scaled, in addition to the process type.
	app func(get func(setting string) string) string

	scaler ScalerFunc // nil: see module
}

// platforms are the platforms other than Heroku.
var platforms = slices.Concat(builtIn, apart)

// platformKeys are the settings of the platforms other than Heroku.
var platformKeys = func() (all []key) {
	for _, p := range platforms {
		for i, k := range p.keys {
			k.platform = p.name
			k.read = text(k.name)
			if i == 0 {
				k.heading = "If PLATFORM is " + p.name
			}
			all = append(all, k)
		}
	}
	return all
}()

// text reads a setting of a platform, whose Scaler says whether it is right.
func text(name string) reader {
	return func(v *values, s string) error {
		if v.texts == nil {
			v.texts = make(map[string]string)
		}
		v.texts[name] = s
		return nil
	}
}

// platformNames are the values of PLATFORM.
var platformNames = func() []string {
	names := []string{herokuPlatform}
	for _, p := range platforms {
		names = append(names, p.name)
	}
	return names
}()

// choice returns the platform that is chosen, or nil for Heroku.
func (v *values) choice() *platformChoice {
	for i := range platforms {
		if platforms[i].name == v.platform {
			return &platforms[i]
		}
	}
	return nil
}

func (v *values) text(setting string) string { return v.texts[setting] }

// elsewhere checks what is of another platform than Heroku.
func (l *loader) elsewhere(v *values, about func(string) given) {
	p := v.choice()
	if p == nil || l.bad["PLATFORM"] {
		return
	}
	if v.measurement == heartbeatBackend && strings.HasPrefix(v.heartbeatURL, "/") && !l.bad["HEARTBEAT_URL"] {
		l.fault(about("HEARTBEAT_URL"), "must be a whole URL if PLATFORM is %s, as https://shop.example.com/autoscalebot/heartbeat/", p.name)
	}
	if v.measurement == jsonBackend && strings.HasPrefix(v.jsonURL, "/") && !l.bad["JSON_URL"] {
		l.fault(about("JSON_URL"), "must be a whole URL if PLATFORM is %s", p.name)
	}
	if l.offline || v.lacks(p, func(k key) bool { return k.required != "" }) {
		return // that it is missing was said
	}
	if v.maker(p) == nil {
		l.fault(about("PLATFORM"), "is %s, and this program has no client of it: use the program in contrib/autoscalebot, or package %s in a Go program", p.name, p.module)
		return
	}
	v2, ok := v.maker(p)(v.text, v.getenv, v.process).(autoscale.Validator)
	if !ok {
		return
	}
	if err := v2.Validate(); err != nil {
		for _, each := range flatten(err) {
			text := p.inSettings(each.Error())
			if name, problem, ok := strings.Cut(text, " "); ok && find(name) != nil {
				l.fault(about(name), "%s", problem)
				continue
			}
			l.fault(about("PLATFORM"), "is %s, and its settings are not right: %s", p.name, text)
		}
	}
}

// flatten returns the errors that are joined in err.
func flatten(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var all []error
	for _, each := range joined.Unwrap() {
		all = append(all, flatten(each)...)
	}
	return all
}

// inSettings writes what the package of a platform says with the names of settings. The
// package names fields without their type, or with Options before them.
func (p *platformChoice) inSettings(text string) string {
	for _, k := range p.keys {
		field, ok := strings.CutPrefix(k.field, "platform.")
		if !ok {
			field, ok = strings.CutPrefix(k.field, p.name+".Credentials.")
		}
		if !ok && strings.HasPrefix(k.field, p.name+".Options.") {
			field, ok = k.field[len(p.name)+1:], true
		}
		if ok {
			text = regexp.MustCompile(`\b`+regexp.QuoteMeta(field)+`\b`).ReplaceAllLiteralString(text, k.name)
		}
	}
	return text
}

// lacks reports whether one of the settings of a platform that are meant is missing.
func (v *values) lacks(p *platformChoice, meant func(key) bool) bool {
	return slices.ContainsFunc(p.keys, func(k key) bool { return meant(k) && v.text(k.name) == "" })
}

// appOf returns what is scaled on a platform, or "" if the settings do not name it.
func (v *values) appOf(p *platformChoice) string {
	if v.lacks(p, func(k key) bool { return k.required != "" && !k.secret }) {
		return ""
	}
	return p.app(v.text)
}

// own returns p.own if the environment has all of them, with the values that count.
func (v *values) own(p *platformChoice, environ []string) []string {
	for _, name := range p.own {
		if !slices.Contains(environ, name+"="+v.text(name)) {
			return nil
		}
	}
	return slices.Clone(p.own)
}

// scaler returns the Scaler of the platform that is chosen.
func (v *values) scaler(client *heroku.Client) autoscale.Scaler {
	if p := v.choice(); p != nil {
		if make := v.maker(p); make != nil {
			return make(v.text, v.getenv, v.process)
		}
		return offlineScaler{} // that it cannot be made was said
	}
	return client.Scaler(v.app, v.process)
}
