package scalingo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// rivalAge is the time after which Scalingo's own autoscalers are read again. With
	// a tick every 30 seconds, that is every other tick.
	rivalAge = 55 * time.Second

	// rivalTrust is for how long their last known state is used if it cannot be read.
	rivalTrust = 10 * time.Minute
)

// A Scaler sets how many containers one process type of an app has. It is safe for
// concurrent use.
type Scaler struct {
	client   *Client
	app, typ string
	fault    error
	rival    *calls.Lookup[string]
}

var _ autoscale.Scaler = (*Scaler)(nil)

// Validate reports everything that is wrong with the names of the app and the process
// type, and with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// formation has the fields that are read from the container types.
type formation struct {
	Containers []struct {
		Name   string `json:"name"`
		Amount *int   `json:"amount"`
	} `json:"containers"`
}

// amount returns how many containers of a type were ordered.
func (f *formation) amount(typ string) (int, error) {
	if f.Containers == nil {
		return 0, errors.New("the answer has no containers")
	}
	for _, c := range f.Containers {
		switch {
		case c.Name != typ:
		case c.Amount == nil:
			return 0, errors.New("the answer has no amount")
		case *c.Amount < 0 || *c.Amount > calls.MaxSize:
			return 0, fmt.Errorf("the answer has the amount %d", *c.Amount)
		default:
			return *c.Amount, nil
		}
	}
	return 0, errors.New("the app has no such process type: check the Procfile, and that it was deployed")
}

// Capacity reads the container types and the containers, which is two calls.
//
// Pending is how many of the ordered containers are not in the state "running". If none is,
// or if the containers cannot be read, PendingKnown is false.
//
// ExternalAutoscaler is at most a minute old, which takes another call every minute. A
// failed lookup is not an error. The last known state is then used for ten minutes. After
// that, or if the state was never known, ExternalAutoscaler is empty.
//
// If Scalingo is busy or asks to wait, the error is an [autoscale.BusyError].
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	n, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{Desired: n, ExternalAutoscaler: s.autoscaler(ctx)}
	c.Pending, c.PendingKnown = s.pending(ctx, n)
	return c, nil
}

// Scale orders size containers. Their kind stays the same. It reads the amount, and sends
// an order if that is another one.
//
// Scalingo carries out one operation on an app at a time. A refusal because of another
// operation, such as a deployment, is an [autoscale.BusyError]. A refusal because of a
// limit is an [autoscale.LimitError]. Its Limit is halfway between the amount that runs and
// the one that was refused.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	type container struct {
		Name   string `json:"name"`
		Amount int    `json:"amount"`
	}
	call := calls.Call{
		Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPost, Path: s.path("scale"), Urgency: calls.Urgent,
		Body: map[string][]container{"containers": {{s.typ, size}}},
	}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	n, err := s.read(ctx, calls.Urgent)
	if err != nil || n == size {
		return s.client.calls.Held(err)
	}
	var f formation
	if err := s.client.calls.Do(ctx, call, &f); err != nil {
		var e *platform.Error
		if errors.As(err, &e) && limited(e) && size > n {
			return &autoscale.LimitError{Size: size, Limit: n + (size-n)/2, Err: err, Guessed: true}
		}
		return s.client.calls.Held(err)
	}
	switch ordered, err := f.amount(s.typ); {
	case err != nil:
		return s.client.calls.Invalid(call, err)
	case ordered != size:
		return s.client.calls.Invalid(call, fmt.Errorf("the answer says that the amount is %d", ordered))
	}
	return nil
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which process type of which app is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "scalingo.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return s.typ + " of app " + s.app }

func (s *Scaler) path(what string) string { return "/v1/apps/" + url.PathEscape(s.app) + "/" + what }

// read reads the amount.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (int, error) {
	call := calls.Call{Op: "read the size", Subject: s.subject(), Path: s.path("containers"), Urgency: u}
	if s.fault != nil {
		return 0, s.client.calls.Invalid(call, s.fault)
	}
	var f formation
	if err := s.client.calls.Do(ctx, call, &f); err != nil {
		return 0, err
	}
	n, err := f.amount(s.typ)
	if err != nil {
		return 0, s.client.calls.Invalid(call, err)
	}
	return n, nil
}

// pending returns how many of the desired containers do not run yet, and whether that could
// be read. It takes at most half of the time that is left, because Capacity can do without
// it.
func (s *Scaler) pending(ctx context.Context, desired int) (pending int, known bool) {
	if desired == 0 {
		return 0, true
	}
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	call := calls.Call{Op: "list the containers", Subject: s.subject(), Path: s.path("ps"), Urgency: calls.Urgent, Once: true}
	var list struct {
		Containers []struct {
			Type  string `json:"type"`
			State string `json:"state"`
		} `json:"containers"`
	}
	if err := s.client.calls.Do(ctx, call, &list); err != nil {
		return 0, false
	}
	running := 0
	for _, c := range list.Containers {
		if c.Type == s.typ && c.State == "running" {
			running++
		}
	}
	if running == 0 { // perhaps the name of the state has changed
		return 0, false
	}
	return max(0, desired-running), true
}

// autoscaler returns the name of Scalingo's own autoscaler if one is on for the process
// type. A failed lookup is not an error.
func (s *Scaler) autoscaler(ctx context.Context) string {
	name, _ := s.rival.Get(ctx, s.readAutoscaler)
	return name
}

// readAutoscaler asks once. It takes at most half of the time that is left, because
// Capacity can do without it.
func (s *Scaler) readAutoscaler(ctx context.Context) (string, error) {
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	var list struct {
		Autoscalers *[]struct {
			ContainerType string `json:"container_type"`
			Disabled      bool   `json:"disabled"`
		} `json:"autoscalers"`
	}
	err := s.client.calls.Do(ctx, calls.Call{
		Op: "list the autoscalers", Subject: s.subject(), Path: s.path("autoscalers"), Urgency: calls.Urgent, Once: true,
		Check: func() error {
			if list.Autoscalers == nil {
				return errors.New("the answer has no autoscalers")
			}
			return nil
		},
	}, &list)
	if err != nil {
		return "", err
	}
	for _, a := range *list.Autoscalers {
		if a.ContainerType == s.typ && !a.Disabled {
			return "Scalingo autoscaler", nil
		}
	}
	return "", nil
}
