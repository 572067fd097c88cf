package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/patience"
)

const (
	targetDescribe = "AmazonEC2ContainerServiceV20141113.DescribeServices"
	targetUpdate   = "AmazonEC2ContainerServiceV20141113.UpdateService"

	// settling is how long after its start a deployment keeps the size from being
	// decreased.
	settling = patience.Hold

	// heldAtMost is for how long deployments that follow each other keep the size from
	// being decreased. After that, the Autoscaler would count failures.
	heldAtMost = settling - time.Minute
)

// A Scaler sets the desired count of a service. It is safe for concurrent use.
type Scaler struct {
	client           *Client
	cluster, service string
	fault            error

	mu    sync.Mutex // not held during a call
	rival *calls.Lookup[string]
	since time.Time // when a deployment first kept the size from being decreased. Zero: no deployment does
}

var _ autoscale.Scaler = (*Scaler)(nil)

var (
	validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	validARN  = regexp.MustCompile(`^arn:aws[a-z-]*:ecs:[a-z0-9-]{1,30}:[0-9]{12}:(cluster|service)/([A-Za-z0-9_-]{1,255}/)?[A-Za-z0-9_-]{1,255}$`)
)

// Scaler returns the Scaler of a service of a cluster. Both are given by their names or by
// their ARNs.
func (c *Client) Scaler(cluster, service string) *Scaler {
	s := &Scaler{client: c, cluster: c.named(cluster), service: c.named(service), rival: newRival()}
	faults := []error{c.fault}
	if !validName.MatchString(s.cluster) && !(validARN.MatchString(s.cluster) && strings.Contains(s.cluster, ":cluster/")) {
		faults = append(faults, fmt.Errorf("the cluster %s is neither a name (letters, digits, dashes and underscores) nor an ARN of a cluster: `aws ecs list-clusters` lists them", calls.Quoted(s.cluster)))
	}
	if !validName.MatchString(s.service) && !(validARN.MatchString(s.service) && strings.Contains(s.service, ":service/")) {
		faults = append(faults, fmt.Errorf("the service %s is neither a name (letters, digits, dashes and underscores) nor an ARN of a service: `aws ecs list-services --cluster …` lists them", calls.Quoted(s.service)))
	}
	s.fault = errors.Join(faults...)
	return s
}

// named returns name, or an invalid name if a secret was given in its place.
func (c *Client) named(name string) string {
	if validARN.MatchString(name) || len(name) > 60 && !likeSecret.MatchString(name) {
		return name
	}
	return c.calls.Name(name)
}

// Validate reports everything that is wrong with the names of the cluster and the service,
// and with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// service has the fields that are read from ECS's answer.
type service struct {
	Name          string            `json:"serviceName"`
	ARN           string            `json:"serviceArn"`
	Status        string            `json:"status"`
	Strategy      string            `json:"schedulingStrategy"`
	Desired       *int              `json:"desiredCount"`
	Running       *int              `json:"runningCount"`
	LoadBalancers []json.RawMessage `json:"loadBalancers"`
	Deployments   []struct {
		Status       string `json:"status"`       // PRIMARY, ACTIVE or INACTIVE
		RolloutState string `json:"rolloutState"` // COMPLETED, FAILED or IN_PROGRESS; may be missing
		CreatedAt    epoch  `json:"createdAt"`
	} `json:"deployments"`
}

// An epoch is a time in seconds since 1970, with a fraction, as in JSON 1.1.
type epoch struct{ time.Time }

// UnmarshalJSON reads a number. It returns an error for a time that AWS cannot mean.
func (t *epoch) UnmarshalJSON(text []byte) error {
	var seconds *float64
	if err := json.Unmarshal(text, &seconds); err != nil || seconds == nil {
		return err
	}
	if *seconds < 0 || *seconds > 1e11 {
		return errors.New("a time that is not one")
	}
	t.Time = time.UnixMilli(int64(*seconds * 1000))
	return nil
}

// rolling reports whether a deployment has replaced tasks for less than ten minutes.
func (v *service) rolling(now time.Time) bool {
	others, young := false, false
	for _, d := range v.Deployments {
		switch d.Status {
		case "ACTIVE":
			others = true
		case "PRIMARY":
			young = d.RolloutState != "COMPLETED" && now.Sub(d.CreatedAt.Time) < settling
		}
	}
	return others && young
}

// Capacity describes the service, which is one call.
//
// Pending is how many of the desired tasks do not run. A task that runs may not have passed
// the health check of its load balancer. So if the service has a load balancer and no task
// is missing, PendingKnown is false, and Config.BootTime counts.
//
// ExternalAutoscaler is Application Auto Scaling, if the service is a scalable target
// there. Capacity looks it up in the first call and then every ten minutes. A failed
// lookup, for example because a permission is missing, is not an error. The last known
// state then counts for half an hour. After that, or if the state was never known,
// ExternalAutoscaler is empty.
//
// If AWS throttles the call, the error is an [autoscale.BusyError].
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	v, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{Desired: *v.Desired, Pending: max(0, *v.Desired-*v.Running)}
	c.PendingKnown = c.Pending > 0 || len(v.LoadBalancers) == 0
	c.ExternalAutoscaler = s.lookUpRival(ctx, v)
	if !v.rolling(time.Now()) {
		s.settled()
	}
	return c, nil
}

// Scale orders size tasks. It describes the service, and sends an order if its desired
// count is another one.
//
// In the first ten minutes of a deployment that replaces tasks, a size below the desired
// count is not ordered, and the error is an [autoscale.BusyError]. Several deployments in a
// row hold the size for nine minutes in total. The error is also a BusyError if AWS
// throttles the call.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := call(fmt.Sprintf("scale to %d", size), s.subject(), targetUpdate,
		map[string]any{"cluster": s.cluster, "service": s.service, "desiredCount": size}, calls.Urgent)
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	v, err := s.read(ctx, calls.Urgent)
	if err != nil {
		return s.client.calls.Held(err)
	}
	switch {
	case size == *v.Desired:
		return nil
	case size < *v.Desired && s.settles(v):
		return &autoscale.BusyError{Err: s.client.calls.Invalid(call, fmt.Errorf("a deployment replaces tasks, and the size of %d is not decreased in its first %v", *v.Desired, settling))}
	}
	var answer struct {
		Service *service `json:"service"`
	}
	if err := s.client.calls.Do(ctx, call, &answer); err != nil {
		return s.client.calls.Held(err)
	}
	if answer.Service == nil {
		return s.client.calls.Invalid(call, errors.New("the answer has no service"))
	}
	if err := s.check(answer.Service); err != nil {
		return s.client.calls.Invalid(call, err)
	}
	if *answer.Service.Desired != size {
		return s.client.calls.Invalid(call, fmt.Errorf("the answer says that the desired count is %d: something else sets it too, such as Application Auto Scaling", *answer.Service.Desired))
	}
	return nil
}

// settles reports whether a deployment keeps the size from being decreased.
func (s *Scaler) settles(v *service) bool {
	now := time.Now()
	if !v.rolling(now) {
		s.settled()
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		s.since = now
	}
	return now.Sub(s.since) < heldAtMost
}

func (s *Scaler) settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which service is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "ecs.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string {
	return "service " + calls.Quoted(last(s.service)) + " of cluster " + calls.Quoted(last(s.cluster))
}

// last returns the name at the end of an ARN, or a name unchanged.
func last(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// read describes the service.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*service, error) {
	call := call("read the size", s.subject(), targetDescribe, map[string]any{"cluster": s.cluster, "services": []string{s.service}}, u)
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	var answer struct {
		Services []service `json:"services"`
		Failures []struct {
			Reason string `json:"reason"`
		} `json:"failures"`
	}
	if err := s.client.calls.Do(ctx, call, &answer); err != nil {
		return nil, err
	}
	var fault error
	switch {
	case len(answer.Failures) > 0 && answer.Failures[0].Reason == "MISSING":
		fault = errors.New("there is no such service: check its name, the cluster and the region; `aws ecs list-services --cluster …` lists them")
	case len(answer.Failures) > 0:
		fault = fmt.Errorf("AWS could not describe the service: %s", calls.Quoted(s.client.calls.Scrub(answer.Failures[0].Reason)))
	case len(answer.Services) != 1:
		fault = fmt.Errorf("the answer has %d services, and not one", len(answer.Services))
	default:
		fault = s.check(&answer.Services[0])
	}
	if fault != nil {
		return nil, s.client.calls.Invalid(call, fault)
	}
	return &answer.Services[0], nil
}

// check returns an error that names what is missing in an answer.
func (s *Scaler) check(v *service) error {
	switch {
	case v.Name != last(s.service):
		return fmt.Errorf("the answer is about the service %s", calls.Quoted(s.client.calls.Name(v.Name)))
	case v.Strategy == "DAEMON":
		return errors.New("the service is a DAEMON, which has one task on each instance and no count: add and remove instances instead")
	case v.Strategy != "REPLICA":
		return fmt.Errorf("the scheduling strategy is %s, and not REPLICA", calls.Quoted(s.client.calls.Name(v.Strategy)))
	case v.Status != "ACTIVE":
		return fmt.Errorf("the status of the service is %s, and not ACTIVE: it is being deleted, or was", calls.Quoted(s.client.calls.Name(v.Status)))
	case v.Desired == nil || v.Running == nil:
		return errors.New("the answer has no desiredCount or no runningCount")
	case *v.Desired < 0 || *v.Desired > calls.MaxSize || *v.Running < 0 || *v.Running > calls.MaxSize:
		return fmt.Errorf("the answer has the desiredCount %d and the runningCount %d", *v.Desired, *v.Running)
	}
	return nil
}
