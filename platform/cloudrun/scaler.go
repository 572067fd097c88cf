package cloudrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	manual    = "MANUAL"
	automatic = "AUTOMATIC"
)

// A Scaler sets how many instances a service or a worker pool has. It is safe for
// concurrent use.
type Scaler struct {
	client                *Client
	project, region, name string
	kind                  string // services or workerPools
	fault                 error
}

var _ autoscale.Scaler = (*Scaler)(nil)

// Validate reports everything that is wrong with the project, the region and the name, and
// with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// resource has the fields that are read from a service or a worker pool.
type resource struct {
	Name       string    `json:"name"`
	ETag       string    `json:"etag"`
	UpdateTime time.Time `json:"updateTime"`
	DeleteTime time.Time `json:"deleteTime"`
	Scaling    struct {
		Mode string `json:"scalingMode"` // of a service
		Size *int   `json:"manualInstanceCount"`
		Min  int    `json:"minInstanceCount"`
	} `json:"scaling"`
}

// Capacity reads the service or the worker pool, which is one call.
//
// The API does not report how many instances run, so PendingKnown is false and
// Config.BootTime counts. Changed is when the service was last changed in any way.
//
// ExternalAutoscaler is Cloud Run's automatic scaling, if that is the service's mode. The
// API does not report the size in that mode. Desired is then the minimum that Cloud Run
// keeps, or 1.
//
// If a quota is used up, the error is an [autoscale.BusyError].
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	v, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	if s.automatic(v) {
		return autoscale.Capacity{
			Desired: max(v.Scaling.Min, 1), Changed: v.UpdateTime,
			ExternalAutoscaler: "Cloud Run's automatic scaling, which `gcloud run services update " + s.name + " --scaling N` switches to manual",
		}, nil
	}
	return autoscale.Capacity{Desired: *v.Scaling.Size, Changed: v.UpdateTime}, nil
}

// Scale orders size instances. It reads the service or the worker pool, and sends an order
// if its size is another one. A size of 0 disables a service: its requests are refused.
//
// In automatic mode Scale returns an error, and orders nothing. If somebody else changes
// the service between the two calls, or a quota is used up, the error is an
// [autoscale.BusyError].
func (s *Scaler) Scale(ctx context.Context, size int) error {
	return s.order(ctx, size, false)
}

// SwitchToManual sets the scaling mode of a service to manual, and orders size instances.
// Cloud Run then keeps that size until another one is ordered. The service's minimum and
// maximum numbers of instances are removed. In manual mode SwitchToManual does what Scale
// does.
func (s *Scaler) SwitchToManual(ctx context.Context, size int) error {
	return s.order(ctx, size, true)
}

func (s *Scaler) order(ctx context.Context, size int, switchMode bool) error {
	call := calls.Call{Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPatch, Path: s.path(), Urgency: calls.Urgent}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	v, err := s.read(ctx, calls.Urgent)
	if err != nil {
		return s.client.calls.Held(err)
	}
	scaling := map[string]any{"manualInstanceCount": size}
	mask := "scaling.manualInstanceCount"
	switch auto := s.automatic(v); {
	case auto && !switchMode:
		return s.client.calls.Invalid(call, fmt.Errorf("the scaling mode is automatic, and Cloud Run decides the size itself: `gcloud run services update %s --scaling %d` switches to manual", s.name, max(size, 1)))
	case auto:
		scaling["scalingMode"] = manual
		mask += ",scaling.scalingMode"
	case size == *v.Scaling.Size:
		return nil
	}
	call.Query = url.Values{"updateMask": {mask}}
	call.Body = map[string]any{"etag": v.ETag, "scaling": scaling}
	return s.client.calls.Held(s.send(ctx, call))
}

// send sends an order. The answer is an operation, which may still go on.
func (s *Scaler) send(ctx context.Context, call calls.Call) error {
	var operation struct {
		Name  string  `json:"name"`
		Error *status `json:"error"`
	}
	if err := s.client.calls.Do(ctx, call, &operation); err != nil {
		return err
	}
	switch {
	case operation.Error != nil:
		return &platform.Error{
			Platform: "cloudrun", Op: call.Op, Subject: call.Subject, Status: http.StatusOK, Code: fmt.Sprintf("code %d", operation.Error.Code),
			Message: s.client.calls.Scrub(operation.Error.Message), Tries: 1,
		}
	case operation.Name == "":
		return s.client.calls.Invalid(call, errors.New("the answer has no name: it is not an operation of Google's API"))
	}
	return nil
}

// automatic reports whether Cloud Run decides the size itself.
func (s *Scaler) automatic(v *resource) bool {
	return s.kind == "services" && v.Scaling.Mode != manual
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes what is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "cloudrun.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string {
	return s.noun() + " " + calls.Quoted(s.name) + " of " + calls.Quoted(s.project) + " in " + calls.Quoted(s.region)
}

func (s *Scaler) noun() string {
	if s.kind == "services" {
		return "service"
	}
	return "worker pool"
}

// command returns the command group of gcloud run.
func (s *Scaler) command() string {
	if s.kind == "services" {
		return "services"
	}
	return "worker-pools"
}

func (s *Scaler) path() string {
	return "/v2/projects/" + s.project + "/locations/" + s.region + "/" + s.kind + "/" + s.name
}

// read reads the service or the worker pool.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*resource, error) {
	call := calls.Call{Op: "read the size", Subject: s.subject(), Path: s.path(), Urgency: u}
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	v := new(resource)
	if err := s.client.calls.Do(ctx, call, v); err != nil {
		return nil, err
	}
	if err := s.check(v); err != nil {
		return nil, s.client.calls.Invalid(call, err)
	}
	return v, nil
}

// check returns an error that names what is missing in an answer. The project in the
// answer may be a number where an id was given.
func (s *Scaler) check(v *resource) error {
	mode := v.Scaling.Mode
	switch {
	case !strings.HasSuffix(v.Name, "/locations/"+s.region+"/"+s.kind+"/"+s.name):
		return fmt.Errorf("the answer is about %s, and not about this %s", calls.Quoted(s.client.calls.Name(v.Name)), s.noun())
	case !v.DeleteTime.IsZero():
		return fmt.Errorf("the %s is being deleted", s.noun())
	case v.ETag == "":
		return errors.New("the answer has no etag")
	case s.kind == "services" && mode != "" && mode != automatic && mode != manual && mode != "SCALING_MODE_UNSPECIFIED":
		return fmt.Errorf("the scaling mode is %s, which is neither automatic nor manual", calls.Quoted(s.client.calls.Name(mode)))
	case s.automatic(v):
		if v.Scaling.Min < 0 || v.Scaling.Min > calls.MaxSize {
			return fmt.Errorf("the answer has the minInstanceCount %d", v.Scaling.Min)
		}
	case v.Scaling.Size == nil:
		return fmt.Errorf("the answer has no manualInstanceCount: set it once, by `gcloud run %s update %s --scaling N`", s.command(), s.name)
	case *v.Scaling.Size < 0 || *v.Scaling.Size > calls.MaxSize:
		return fmt.Errorf("the answer has the manualInstanceCount %d", *v.Scaling.Size)
	}
	return nil
}
