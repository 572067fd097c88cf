package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/autoscalebot/autoscale"
)

// maxForm bounds a form of control, in bytes.
const maxForm = 8 << 10

// serveControl does what a form asks for, and sends the browser back to the page.
func (p *Page) serveControl(w http.ResponseWriter, r *http.Request, who string) {
	if !p.opts.Control {
		http.Error(w, "status: this page only shows: set Options.Control to let it pause, resume and override", http.StatusForbidden)
		return
	}
	// Without these headers the request is not of a browser, and has a credential.
	if err := p.origin.Check(r); err != nil {
		http.Error(w, "status: the request comes from another site, and changes nothing", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "status: the form cannot be read: send at most 8 KiB as application/x-www-form-urlencoded", http.StatusBadRequest)
		return
	}
	err := p.control(autoscale.WithActor(r.Context(), who), r)
	var bad *badForm
	switch {
	case errors.As(err, &bad):
		http.Error(w, "status: "+err.Error(), http.StatusBadRequest)
	case err != nil:
		p.opts.Logger.WarnContext(r.Context(), "status: a control failed: "+err.Error())
		http.Error(w, "status: "+err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Location", "./")
		w.WriteHeader(http.StatusSeeOther)
	}
}

// badForm is a fault of a form.
type badForm struct{ error }

func (p *Page) control(ctx context.Context, r *http.Request) error {
	fault := func(format string, args ...any) error { return &badForm{fmt.Errorf(format, args...)} }
	name, action := r.PostFormValue("name"), r.PostFormValue("action")
	var a *autoscale.Autoscaler
	all := p.source.Members()
	for _, each := range all {
		if each.Name() == name || name == "" && len(all) == 1 {
			a = each
		}
	}
	if a == nil {
		return fault("there is no autoscaler of the process type %.40q", name)
	}
	until, err := end(r, time.Now())
	if err != nil {
		return &badForm{err}
	}
	switch action {
	case "resume":
		return a.Resume(ctx)
	case "pause":
		if until.IsZero() {
			return a.Pause(ctx)
		}
		return a.PauseUntil(ctx, until)
	case "override":
		size, err := strconv.Atoi(r.PostFormValue("size"))
		if err != nil || size < 0 {
			return fault("size is %.20q: it must be a whole number, 0 or more", r.PostFormValue("size"))
		}
		if until.IsZero() {
			return fault("an override needs an end: give until or for")
		}
		return a.Override(ctx, size, until)
	}
	return fault("action is %.20q: it must be pause, resume or override", action)
}

// longest bounds how far ahead a pause or an override may end.
const longest = 366 * 24 * time.Hour

// end returns when a form says that a pause or an override ends. Zero: it does not.
func end(r *http.Request, now time.Time) (time.Time, error) {
	until := time.Time{}
	if text := r.PostFormValue("for"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return until, fmt.Errorf("for is %.20q: it must be a duration above 0, as 2h or 90m", text)
		}
		until = now.Add(min(d, 2*longest))
	}
	if text := r.PostFormValue("until"); text != "" {
		if !until.IsZero() {
			return until, errors.New("for and until are both given: give one of them")
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return until, fmt.Errorf("until is %.40q: it must be a time, as %s", text, now.UTC().Truncate(time.Hour).Add(2*time.Hour).Format(time.RFC3339))
		}
		until = t
	}
	switch {
	case until.IsZero():
		return until, nil
	case !until.After(now):
		return until, fmt.Errorf("it would end at %s, which is past: give a later time", until.UTC().Format(time.RFC3339))
	case until.Sub(now) > longest:
		return until, fmt.Errorf("it would end at %s: give a time within a year", until.UTC().Format(time.RFC3339))
	}
	return until, nil
}
