package render

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
)

const (
	// MaxInstances is the most instances of a service that Render runs.
	MaxInstances = 100

	// startTime is how long the instances are counted after an increase.
	startTime = 5 * time.Minute
)

// A Scaler sets how many instances a service has. It is safe for concurrent use.
type Scaler struct {
	client  *Client
	service string
	fault   error

	mu      sync.Mutex // not held during a call
	last    int        // the size that was read last. -1: none yet
	watched time.Time  // until when the instances are counted
}

var _ autoscale.Scaler = (*Scaler)(nil)

var validService = regexp.MustCompile(`^srv-[a-z0-9]{1,60}$`)

// Scaler returns the Scaler of a service. service is its id, such as
// "srv-cph1rs3idesc73a2b2mg".
func (c *Client) Scaler(service string) *Scaler {
	s := &Scaler{client: c, service: c.calls.Name(service), last: -1}
	var fault error
	if !validService.MatchString(s.service) {
		fault = fmt.Errorf("the service %s is not an id, as srv-cph1rs3idesc73a2b2mg: the service's page in the Render Dashboard has it in its address, and Render has it in RENDER_SERVICE_ID", calls.Quoted(s.service))
	}
	s.fault = errors.Join(c.calls.Fault(), fault)
	return s
}

// Validate reports everything that is wrong with the service's id, and with the arguments
// of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// service has the fields that are read from Render's answer.
type service struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Suspended string    `json:"suspended"`
	UpdatedAt time.Time `json:"updatedAt"`
	Details   *struct {
		NumInstances *int            `json:"numInstances"`
		Plan         string          `json:"plan"`
		Disk         json.RawMessage `json:"disk"`
		Autoscaling  *struct {
			Enabled bool `json:"enabled"`
		} `json:"autoscaling"`
		MaintenanceMode *struct {
			Enabled bool `json:"enabled"`
		} `json:"maintenanceMode"`
	} `json:"serviceDetails"`
}

func (v *service) autoscaled() bool {
	return v.Details.Autoscaling != nil && v.Details.Autoscaling.Enabled
}

// limit returns how many instances Render permits, and why.
func (v *service) limit() (most int, why error) {
	switch disk := string(v.Details.Disk); {
	case disk != "" && disk != "null":
		return 1, errors.New("render: a service with a disk has one instance: detach the disk, or leave Max at 1")
	case v.Details.Plan == "free":
		return 1, errors.New("render: the free instance type has one instance: choose a paid instance type, or leave Max at 1")
	}
	return MaxInstances, errors.New("render: a service has at most 100 instances: lower Max")
}

// Capacity reads the service, which is one call.
//
// Maintenance is true in Render's maintenance mode, and while the service is suspended.
// Changed is when the service was last changed in any way.
//
// For five minutes after the first Capacity, and after one that saw the size grow, Capacity
// makes one more call to count the instances. Pending is how many of the ordered ones are
// missing from Render's list. The list does not show whether an instance serves. So if none
// is missing, PendingKnown is false, and Config.BootTime counts.
//
// While Render's own autoscaling is on, Desired is the number of instances in Render's list.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	v, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{
		Desired: *v.Details.NumInstances, Changed: v.UpdatedAt,
		Maintenance: v.Suspended == "suspended" || v.Details.MaintenanceMode != nil && v.Details.MaintenanceMode.Enabled,
	}
	if v.autoscaled() {
		c.ExternalAutoscaler = "Render autoscaling"
		if c.Desired, err = s.count(ctx, calls.Urgent, false); err != nil {
			return autoscale.Capacity{}, s.client.calls.Held(err)
		}
		return c, nil
	}
	if s.saw(c.Desired, time.Now()) && !c.Maintenance {
		c.Pending, c.PendingKnown = s.pending(ctx, c.Desired)
	}
	return c, nil
}

// Scale orders size instances. It reads the service, and sends an order if its size is
// another one.
//
// For a size above what Render permits, the error is an [autoscale.LimitError]. While
// Render's own autoscaling is on, Scale returns an error, because Render would ignore the
// order. If Render asks to wait, the error is an [autoscale.BusyError].
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := calls.Call{Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPost, Path: s.path() + "/scale", Urgency: calls.Urgent}
	switch err := s.client.calls.CheckOrder(call, s.fault, size); {
	case err != nil:
		return err
	case size == 0:
		return s.client.calls.Invalid(call, errors.New("a service has at least one instance: set Min to 1, or suspend the service"))
	}
	v, err := s.read(ctx, calls.Urgent)
	if err != nil {
		return s.client.calls.Held(err)
	}
	switch most, why := v.limit(); {
	case v.autoscaled():
		return s.client.calls.Invalid(call, errors.New("the service's own autoscaling is on, and Render ignores orders then: switch it off on the service's Scaling page, and remove \"scaling\" from render.yaml"))
	case size > most && size > *v.Details.NumInstances:
		return &autoscale.LimitError{Size: size, Limit: most, Err: why}
	case size == *v.Details.NumInstances:
		return nil
	}
	call.Body = map[string]int{"numInstances": size}
	return s.client.calls.Held(s.client.calls.Do(ctx, call, nil))
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which service is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "render.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return "service " + s.service }

func (s *Scaler) path() string { return "/services/" + s.service }

// read reads the service.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*service, error) {
	call := calls.Call{Op: "read the size", Subject: s.subject(), Path: s.path(), Urgency: u}
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	v := new(service)
	if err := s.client.calls.Do(ctx, call, v); err != nil {
		return nil, err
	}
	fault := error(nil)
	switch {
	case v.ID == "":
		fault = errors.New("the answer has no id: it is not a service of Render's API")
	case v.ID != s.service:
		fault = fmt.Errorf("the answer is about the service %s", calls.Quoted(s.client.calls.Name(v.ID)))
	case v.Type != "web_service" && v.Type != "private_service" && v.Type != "background_worker":
		fault = fmt.Errorf("the service is a %s, which has no instances to scale", calls.Quoted(s.client.calls.Name(cmp.Or(v.Type, "service of no type"))))
	case v.Suspended != "suspended" && v.Suspended != "not_suspended":
		fault = errors.New("the answer does not say whether the service is suspended")
	case v.Details == nil || v.Details.NumInstances == nil:
		fault = errors.New("the answer has no numInstances")
	case *v.Details.NumInstances < 0 || *v.Details.NumInstances > calls.MaxSize:
		fault = fmt.Errorf("the answer has %d numInstances", *v.Details.NumInstances)
	}
	if fault != nil {
		return nil, s.client.calls.Invalid(call, fault)
	}
	return v, nil
}

// count returns how many instances are in Render's list.
func (s *Scaler) count(ctx context.Context, u calls.Urgency, once bool) (int, error) {
	call := calls.Call{Op: "list the instances", Subject: s.subject(), Path: s.path() + "/instances", Urgency: u, Once: once}
	var list []struct {
		ID string `json:"id"`
	}
	if err := s.client.calls.Do(ctx, call, &list); err != nil {
		return 0, err
	}
	if list == nil {
		return 0, s.client.calls.Invalid(call, errors.New("the answer is not a list"))
	}
	for _, i := range list {
		if i.ID == "" {
			return 0, s.client.calls.Invalid(call, errors.New("the answer has an instance without an id"))
		}
	}
	return len(list), nil
}

// saw notes a size, and reports whether instances may still be starting.
func (s *Scaler) saw(size int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.last {
		s.watched = now.Add(startTime)
	}
	s.last = size
	return size > 0 && now.Before(s.watched)
}

// pending returns how many of the desired instances are missing from the list. It takes at
// most half of the time that is left, because Capacity can do without it.
func (s *Scaler) pending(ctx context.Context, desired int) (missing int, known bool) {
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	n, err := s.count(ctx, calls.Urgent, true)
	if err != nil {
		return 0, false
	}
	missing = max(0, desired-n)
	return missing, missing > 0
}
