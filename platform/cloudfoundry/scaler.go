package cloudfoundry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// rivalAge is the time after which App Autoscaler is asked again.
	rivalAge = 55 * time.Second

	// rivalTrust is for how long the last known state of App Autoscaler is used if it
	// cannot be read.
	rivalTrust = 10 * time.Minute
)

// A Scaler sets how many instances one process of an app has. It is safe for concurrent
// use.
type Scaler struct {
	client   *Client
	app, typ string
	fault    error
	rival    *calls.Lookup[string]
}

var _ autoscale.Scaler = (*Scaler)(nil)

var (
	validGUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	validType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// Scaler returns the Scaler of a process of an app. app is the app's GUID, and process is
// the process type, for example "web".
func (c *Client) Scaler(app, process string) *Scaler {
	s := &Scaler{client: c, app: c.calls.Name(app), typ: c.calls.Name(process), rival: &calls.Lookup[string]{Age: rivalAge, Trust: rivalTrust}}
	faults := []error{c.calls.Fault()}
	if !validGUID.MatchString(s.app) {
		faults = append(faults, fmt.Errorf("the app %s is not a GUID: `cf app NAME --guid` prints it, and VCAP_APPLICATION has it as application_id", calls.Quoted(s.app)))
	}
	if !validType.MatchString(s.typ) {
		faults = append(faults, fmt.Errorf("the process type %s is not 1 to 63 letters, digits, dots, dashes and underscores: give one of the Procfile's or the manifest's, as web", calls.Quoted(s.typ)))
	}
	s.fault = errors.Join(faults...)
	return s
}

// Validate reports everything that is wrong with the app's GUID and the process type, and
// with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// process has the fields that are read from the Cloud Controller's answer.
type process struct {
	GUID      string    `json:"guid"`
	Type      string    `json:"type"`
	Instances *int      `json:"instances"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Capacity reads the process, the state of each instance and, for the process web, whether
// a deployment is under way.
//
// Pending is how many of the ordered instances are not in the state RUNNING, or are not
// routable. If that cannot be read, PendingKnown is false. If deployments cannot be read,
// Deploying is false. The answer to an order then shows whether a deployment is under way.
// Changed is when the process was last changed in any way.
//
// If Credentials.AutoscalerURL is set, App Autoscaler is asked every minute. If it does not
// answer, its last known state is used for ten minutes. After that it is assumed to be off.
// If its state was never known, Capacity returns the error.
//
// If the API asks to wait, the error is an [autoscale.BusyError].
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	p, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{Desired: *p.Instances, Changed: p.UpdatedAt}
	if c.ExternalAutoscaler, err = s.autoscaler(ctx); err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	aside, cancel := calls.Aside(ctx)
	defer cancel()
	c.Pending, c.PendingKnown = s.pending(aside, c.Desired)
	c.Deploying = s.deploying(aside)
	return c, nil
}

// Scale orders size instances. It reads the size, and sends an order if that is another
// one.
//
// A refusal during a deployment is an [autoscale.BusyError]. A refusal because of a quota
// is an [autoscale.LimitError]. The Cloud Controller does not name its limit, so Limit is
// halfway between the size that runs and the size that was refused.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := calls.Call{
		Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPost, Path: s.path() + "/actions/scale", Urgency: calls.Urgent,
		Body: map[string]int{"instances": size},
	}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	p, err := s.read(ctx, calls.Urgent)
	if err != nil || *p.Instances == size {
		return s.client.calls.Held(err)
	}
	running := *p.Instances
	p = new(process)
	if err := s.client.calls.Do(ctx, call, p); err != nil {
		var e *platform.Error
		if errors.As(err, &e) && limited(e) && size > running {
			return &autoscale.LimitError{Size: size, Limit: running + (size-running)/2, Err: err, Guessed: true}
		}
		return s.client.calls.Held(err)
	}
	err = s.check(p)
	if err == nil && *p.Instances != size {
		err = fmt.Errorf("the answer says that there are %d instances", *p.Instances)
	}
	if err != nil {
		return s.client.calls.Invalid(call, err)
	}
	return nil
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which process of which app is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "cloudfoundry.Scaler(%s)", s.subject())
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return s.typ + " of app " + s.app }

// path returns the path of the process. It names the app, because a rolling deployment
// replaces the process web by another one.
func (s *Scaler) path() string {
	return "/v3/apps/" + url.PathEscape(s.app) + "/processes/" + url.PathEscape(s.typ)
}

// read reads the process.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*process, error) {
	call := calls.Call{Op: "read the size", Subject: s.subject(), Path: s.path(), Urgency: u}
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	p := new(process)
	if err := s.client.calls.Do(ctx, call, p); err != nil {
		return nil, err
	}
	if err := s.check(p); err != nil {
		return nil, s.client.calls.Invalid(call, err)
	}
	return p, nil
}

// check returns an error that names what is missing in an answer.
func (s *Scaler) check(p *process) error {
	switch {
	case p.GUID == "":
		return errors.New("the answer has no guid: it is not a process of the Cloud Controller")
	case p.Type != s.typ:
		return fmt.Errorf("the answer is about the process type %s", calls.Quoted(s.client.calls.Name(p.Type)))
	case p.Instances == nil:
		return errors.New("the answer has no instances")
	case *p.Instances < 0 || *p.Instances > calls.MaxSize:
		return fmt.Errorf("the answer has %d instances", *p.Instances)
	}
	return nil
}

// pending returns how many of the desired instances do not serve, and whether that could
// be read.
func (s *Scaler) pending(ctx context.Context, desired int) (pending int, known bool) {
	if desired == 0 {
		return 0, true
	}
	var stats struct {
		Resources *[]struct {
			State    string `json:"state"`
			Routable *bool  `json:"routable"` // null where Diego does not support it
		} `json:"resources"`
	}
	call := calls.Call{Op: "read the instances", Subject: s.subject(), Path: s.path() + "/stats", Urgency: calls.Urgent, Once: true}
	if err := s.client.calls.Do(ctx, call, &stats); err != nil || stats.Resources == nil {
		return 0, false
	}
	ready := 0
	for _, i := range *stats.Resources {
		if i.State == "RUNNING" && (i.Routable == nil || *i.Routable) {
			ready++
		}
	}
	return max(0, desired-ready), true
}

// deploying reports whether a deployment of the app is under way, as far as can be read.
func (s *Scaler) deploying(ctx context.Context) bool {
	if s.typ != "web" { // other processes can be scaled during a deployment
		return false
	}
	var list struct {
		Resources []struct {
			Status struct {
				Value string `json:"value"`
			} `json:"status"`
		} `json:"resources"`
	}
	call := calls.Call{
		Op: "list the deployments", Subject: s.subject(), Path: "/v3/deployments", Urgency: calls.Urgent, Once: true,
		Query: url.Values{"app_guids": {s.app}, "status_values": {"ACTIVE"}, "per_page": {"1"}},
	}
	err := s.client.calls.Do(ctx, call, &list)
	return err == nil && len(list.Resources) > 0 && list.Resources[0].Status.Value == "ACTIVE"
}

// autoscaler returns the name of App Autoscaler if that has a policy for the app. A failed
// lookup is an error only if none has ever succeeded, because then the address may be
// wrong.
func (s *Scaler) autoscaler(ctx context.Context) (string, error) {
	if s.client.autoscaler == nil {
		return "", nil
	}
	name, err := s.rival.Get(ctx, s.readPolicy)
	if s.rival.Ever() {
		err = nil
	}
	return name, err
}

func (s *Scaler) readPolicy(ctx context.Context) (string, error) {
	known := s.rival.Ever()
	if known { // it need not be read now, so leave time for the rest
		var cancel context.CancelFunc
		ctx, cancel = calls.Aside(ctx)
		defer cancel()
	}
	var policy struct {
		Max *int `json:"instance_max_count"`
	}
	err := s.client.autoscaler.Do(ctx, calls.Call{
		Op: "read App Autoscaler's policy", Subject: s.subject(), Path: "/v1/apps/" + url.PathEscape(s.app) + "/policy", Urgency: calls.Urgent, Once: known,
		Check: func() error {
			if policy.Max == nil {
				return errors.New("the answer is not a policy: check Credentials.AutoscalerURL")
			}
			return nil
		},
	}, &policy)
	var e *platform.Error
	switch {
	case err == nil:
		return "App Autoscaler", nil
	case errors.As(err, &e) && e.Status == http.StatusNotFound && e.Message != "":
		// With a text, this is App Autoscaler, which has no policy. Without one, it is a
		// router that does not know App Autoscaler.
		return "", nil
	}
	return "", err
}
