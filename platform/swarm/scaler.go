package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// rounds is how many times an order is sent if others change the service in the
	// meantime.
	rounds = 4

	// between is how long a round waits for the others.
	between = 100 * time.Millisecond
)

// A Scaler sets the number of replicas of a service. It is safe for concurrent use.
type Scaler struct {
	client  *Client
	service string
	placing time.Duration
	fault   error

	mu    sync.Mutex
	stack string // the stack of the service when it was last read
}

var _ autoscale.Scaler = (*Scaler)(nil)

var validName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

// Scaler returns the Scaler of a service, given its name or its ID. In a stack, the name
// has the names of the stack and the service, such as shop_web.
func (c *Client) Scaler(service string) *Scaler {
	s := &Scaler{client: c, service: service, placing: placing}
	faults := []error{c.calls.Fault()}
	if !validName.MatchString(service) {
		faults = append(faults, fmt.Errorf("the service %s is not a name of 1 to 63 letters, digits, dashes and underscores: `docker service ls` lists the names", calls.Quoted(c.calls.Name(service))))
		s.service = "?"
	}
	s.fault = errors.Join(faults...)
	return s
}

// Validate reports everything that is wrong with the name, and with the arguments of
// [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// Capacity reads the service and its tasks, which is two calls.
//
// Pending is how many of the ordered tasks do not run. A task with a health check runs when
// it is healthy. For a task without one, Swarm reports that it runs as soon as its process
// was started. So if the service has no health check of its own and no task is missing,
// PendingKnown is false, and Config.BootTime counts. If the tasks cannot be read,
// PendingKnown is false too.
//
// Deploying is true while Swarm replaces tasks, in an update or a rollback. Changed is when
// the service was last changed in any way.
//
// ExternalAutoscaler is the autoscaler to which the labels of the service belong:
// docker-swarm-autoscaler, swarm-hpa, swarm-autoscaler, Orbiter, Sablier or Docker Flow.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	v, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{
		Desired: v.replicas(), Changed: v.UpdatedAt, Deploying: v.deploying(),
		ExternalAutoscaler: s.client.calls.Scrub(v.rival()),
	}
	if c.Desired == 0 {
		c.PendingKnown = true
	} else if list, err := s.tasks(ctx, v); err == nil {
		c.Pending = max(0, c.Desired-running(list))
		c.PendingKnown = c.Pending > 0 || v.checked()
	}
	return c, nil
}

// Notes returns notes for the people who run the service. If the last Capacity saw that the
// service belongs to a stack, the note is that `docker stack deploy` sets the size too.
func (s *Scaler) Notes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack == "" {
		return nil
	}
	return []string{fmt.Sprintf("the service is of the stack %s: each `docker stack deploy` sets the stack file's replicas, or 1 if it has none", s.stack)}
}

// Scale orders size tasks. It reads the service. If the number of tasks is another one, it
// sends the spec back with the new number. Tasks that run go on running.
//
// The order names the version of the service that was read. If something has changed since,
// the service is read again and the order is sent again, up to four times. If somebody else
// has changed the number of tasks, the order is not sent again, and the error is an
// [autoscale.BusyError]. The next tick then decides again.
//
// The error is also a BusyError while an update or a rollback is under way or paused. An
// order would restart it, and would replace the spec to which Swarm or a person rolls back.
//
// Swarm accepts a size for which there is no room. If tasks of earlier orders have had no
// node for a minute, Scale does not send an order for a greater size, and returns an
// [autoscale.LimitError]. The limit is how many tasks have a node. It is believed for five
// minutes.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := calls.Call{Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPost, Path: s.path() + "/update", Urgency: calls.Urgent, Once: true}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	var err error
	from := 0
	for round := range rounds {
		if calls.Pause(ctx, time.Duration(round)*between) != nil {
			break
		}
		v, readErr := s.read(ctx, calls.Urgent)
		if readErr != nil {
			return s.client.calls.Held(readErr)
		}
		if round == 0 {
			from = v.replicas()
		}
		why, wait := v.busy()
		switch {
		case v.replicas() == size:
			return nil
		case v.replicas() != from:
			return &autoscale.BusyError{Err: s.client.calls.Invalid(call, fmt.Errorf("the order was not sent again, because somebody else changed the size from %d to %d%s: it is decided again", from, v.replicas(), deployed(v.stack())))}
		case why != "":
			return &autoscale.BusyError{RetryAfter: wait, Err: s.client.calls.Invalid(call, errors.New(why))}
		case size > from && round == 0:
			if err := s.short(ctx, v, size); err != nil {
				return err
			}
		}
		if err = s.send(ctx, call, v, size); !conflict(err) {
			break
		}
	}
	if conflict(err) {
		return &autoscale.BusyError{Err: err} // nothing was changed, although the status is 500
	}
	return s.client.calls.Held(err)
}

// send sends an order that counts only if the service still has the version that was read.
func (s *Scaler) send(ctx context.Context, call calls.Call, v *service, size int) error {
	body, err := v.sized(size)
	if err != nil {
		return s.client.calls.Invalid(call, err)
	}
	call.Query, call.Body = url.Values{"version": {strconv.FormatUint(v.Version.Index, 10)}}, body
	show := s.client.sent.hide(v)
	defer show()
	return s.client.calls.Do(ctx, call, nil)
}

func conflict(err error) bool {
	var e *platform.Error
	return errors.As(err, &e) && e.Code == outOfSequence
}

func deployed(stack string) string {
	if stack == "" {
		return ""
	}
	return ", as `docker stack deploy` does"
}

// read reads the service. It uses the daemon's newest version of the API, which is the one
// without a version in the path. An older version would drop parts of the spec.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*service, error) {
	call := calls.Call{Op: "read the size", Subject: s.subject(), Path: s.path(), Urgency: u}
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	v := new(service)
	if err := s.client.calls.Do(ctx, call, v); err != nil {
		return nil, err
	}
	if err := v.check(s.service, s.client.calls.Name); err != nil {
		return nil, s.client.calls.Invalid(call, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = s.client.calls.Name(v.stack())
	return v, nil
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which service is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "swarm.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return "service " + s.service }

func (s *Scaler) path() string { return "/services/" + s.service }
