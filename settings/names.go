package settings

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale"
)

// settingOf is the setting of each Go field. If a field has several, it is the first.
var settingOf = func() map[string]string {
	of := map[string]string{
		"Min":            "MIN_DYNOS",
		"Max":            "MAX_DYNOS",
		"MOfN":           "DECISION_BACKEND=" + mOfNRule,
		"TargetTracking": "DECISION_BACKEND=" + trackingRule,
		"Backlog":        "DECISION_BACKEND=" + backlogRule,
	}
	for _, k := range keys {
		for field := range strings.SplitSeq(k.field, ", ") {
			if _, ok := of[field]; !ok {
				of[field] = k.name
			}
		}
	}
	return of
}()

// goField matches what settings replace in an error: a field behind its type, or one of
// the fields of autoscale.Config that are words by themselves.
var goField = func() *regexp.Regexp {
	var fields []string
	for field := range settingOf {
		if strings.Contains(field, ".") || slices.Contains([]string{"Min", "Max", "Interval", "BootTime", "NotifyOn"}, field) {
			fields = append(fields, regexp.QuoteMeta(field))
		}
	}
	slices.SortFunc(fields, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return regexp.MustCompile(`\b(?:` + strings.Join(fields, "|") + `)\b`)
}()

// inSettings writes an error of the library with the names of settings, because who runs
// the worker has no Go fields.
func inSettings(text string) string {
	return goField.ReplaceAllStringFunc(text, func(field string) string { return settingOf[field] })
}

// namedError is an error in the names of settings. It wraps the original one.
type namedError struct{ err error }

func (e namedError) Error() string { return inSettings(e.err.Error()) }

func (e namedError) Unwrap() error { return e.err }

func named(err error) error {
	if err == nil {
		return nil
	}
	return namedError{err}
}

// namedProber is a Prober whose errors name settings.
type namedProber struct{ autoscale.Prober }

func (p namedProber) Probe(ctx context.Context) (autoscale.Sample, error) {
	s, err := p.Prober.Probe(ctx)
	s.Detail = inSettings(s.Detail)
	return s, named(err)
}

// Unwrap returns the Prober that p wraps.
func (p namedProber) Unwrap() autoscale.Prober { return p.Prober }

// namedScaler is a Scaler whose errors name settings.
type namedScaler struct{ autoscale.Scaler }

func (s namedScaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	c, err := s.Scaler.Capacity(ctx)
	return c, named(err)
}

func (s namedScaler) Scale(ctx context.Context, size int) error {
	return named(s.Scaler.Scale(ctx, size))
}

// Unwrap returns the Scaler that s wraps.
func (s namedScaler) Unwrap() autoscale.Scaler { return s.Scaler }

// validate reports what the library refuses, each fault with its setting.
func (l *loader) validate(cfg autoscale.Config, chosen map[string]given) {
	err := cfg.Validate()
	if err == nil {
		return
	}
	text := strings.TrimPrefix(err.Error(), autoscale.ErrConfig.Error()+": ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		g := given{}
		if field := goField.FindString(line); field != "" {
			g = given{name: settingOf[field]}
			if c, ok := chosen[g.name]; ok {
				g = c
			}
		}
		line = inSettings(line)
		if _, problem, ok := strings.Cut(line, g.bare()+" "); ok && g.name != "" {
			line = problem
		}
		l.fault(g, "%s", line)
	}
}
