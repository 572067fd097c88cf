// Package notify has notifiers, which pass on the events of an [autoscale.Autoscaler] to
// a terminal ([Console]), a log ([Log]), any URL ([Webhook]), Slack ([Slack] and
// [SlackBot]), [Discord], Microsoft Teams ([Teams]), and a test ([Recorder]). For mail,
// see package notify/email.
//
//	cfg.Notifiers = []autoscale.Notifier{
//		notify.Slack(os.Getenv("SLACK_URL")),
//		notify.Only(notify.Log(audit), autoscale.Scaled|autoscale.Changed),
//	}
//
// No constructor does I/O, panics or fails. [autoscale.Config.Validate] and Notify report
// what is wrong with its arguments. All notifiers are safe for concurrent use.
//
// # A notifier of your own
//
// [autoscale.NotifierFunc] turns a function into a notifier. The function gets ten
// seconds for an event, and must return when its context ends. It must not put a secret
// into its error, because the error is logged. It is not called again for an event that
// failed, so if a retry can help, the function must retry itself.
//
// # Secrets
//
// The URL of a webhook is as secret as a password, and so is the token of a [SlackBot].
// They never appear in an error or in a formatted value, which show only the host.
package notify

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
)

// Only returns a notifier that passes only events of kinds to n, whatever
// [autoscale.Config.NotifyOn] says. So kinds may include a kind that is not in NotifyOn.
// The Autoscaler calls the method Kinds of the notifier. If other code calls its Notify,
// it ignores events of other kinds.
//
// kinds must name at least one kind; [autoscale.NoKinds] silences n.
func Only(n autoscale.Notifier, kinds autoscale.EventKind) autoscale.Notifier {
	return &only{n, kinds}
}

type only struct {
	notifier autoscale.Notifier
	kinds    autoscale.EventKind
}

// Kinds returns the kinds of event that the notifier gets.
func (o *only) Kinds() autoscale.EventKind { return o.kinds }

func (o *only) Notify(ctx context.Context, e autoscale.Event) error {
	if o.kinds&e.Kind == 0 {
		return nil
	}
	return o.notifier.Notify(ctx, e)
}

// Validate reports what is wrong with the kinds, and with the notifier itself.
func (o *only) Validate() error {
	var errs []error
	const known = autoscale.AllKinds | autoscale.NoKinds
	switch {
	case o.kinds == 0:
		errs = append(errs, errors.New("notify.Only names no kind of event: name one, or NoKinds"))
	case o.kinds&^known != 0:
		errs = append(errs, fmt.Errorf("notify.Only has the unknown bits %#x: it takes a set of the kinds of event", uint32(o.kinds&^known)))
	case o.kinds.Has(autoscale.NoKinds) && o.kinds != autoscale.NoKinds:
		errs = append(errs, fmt.Errorf("notify.Only has NoKinds together with %v: it must be one or the other", o.kinds&^autoscale.NoKinds))
	}
	if isNil(o.notifier) {
		errs = append(errs, errors.New("notify.Only has a nil notifier: give one that was made"))
	} else if v, ok := part.As[autoscale.Validator](o.notifier); ok {
		errs = append(errs, v.Validate())
	}
	return errors.Join(errs...)
}

// Format lets the notifier format itself.
func (o *only) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "notify.Only(%v, %v)", o.notifier, o.kinds)
}

// isNil reports whether n is nil, or holds a nil pointer or func.
func isNil(n autoscale.Notifier) bool {
	if n == nil {
		return true
	}
	switch v := reflect.ValueOf(n); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		return v.IsNil()
	}
	return false
}
