package cloudrun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultBaseURL is the default of platform.Options.BaseURL.
	DefaultBaseURL = "https://run.googleapis.com"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. It is a small
	// part of what Google permits a project.
	DefaultCallsPerHour = 1800
)

// likeToken is an access token of Google, or an identity token.
var likeToken = regexp.MustCompile(`ya29\.[A-Za-z0-9._-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9._-]+`)

// A Client speaks to the Cloud Run Admin API, version 2. All its Scalers share its
// connections and its budget of calls. It is safe for concurrent use.
type Client struct{ calls *calls.Client }

// NewClient returns a client that authenticates with the tokens that a function returns.
// If token is nil, MetadataToken is used. If opts is nil, the default options are used.
// NewClient does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(token TokenFunc, opts *platform.Options) *Client {
	if token == nil {
		getenv := calls.Getenv(opts)
		token = func(ctx context.Context) (string, time.Time, error) { return metadataToken(ctx, getenv) }
	}
	b := bearer(token)
	return &Client{calls.New(calls.Dialect{
		Platform: "cloudrun", BaseURL: DefaultBaseURL, CallsPerHour: DefaultCallsPerHour,
		Authorize: b.Authorize, Renew: b.Renew, Hidden: b.Hidden, Like: likeToken,
		Explain: explain,
		Advise:  advise,
		// A 409 means that somebody else changed the resource since it was read.
		Passing: func(e *platform.Error) bool { return e.Status == http.StatusConflict },
	}, opts)}
}

// Scaler returns the Scaler of a service. project is the id or the number of its project.
// On Cloud Run, the service in which this process runs is $K_SERVICE.
func (c *Client) Scaler(project, region, service string) *Scaler {
	return c.scaler(project, region, "services", service)
}

// WorkerPool returns the Scaler of a worker pool. On Cloud Run, the worker pool in which
// this process runs is $CLOUD_RUN_WORKER_POOL.
func (c *Client) WorkerPool(project, region, pool string) *Scaler {
	return c.scaler(project, region, "workerPools", pool)
}

func (c *Client) scaler(project, region, kind, name string) *Scaler {
	s := &Scaler{client: c, project: c.calls.Name(project), region: c.calls.Name(region), kind: kind, name: c.calls.Name(name)}
	faults := []error{c.calls.Fault()}
	if !validProject.MatchString(s.project) {
		faults = append(faults, fmt.Errorf("the project %s is neither an id nor a number: `gcloud projects list` lists them", calls.Quoted(s.project)))
	}
	if !validRegion.MatchString(s.region) {
		faults = append(faults, fmt.Errorf("the region %s is not the name of one: give one such as europe-west1", calls.Quoted(s.region)))
	}
	if !validName.MatchString(s.name) {
		faults = append(faults, fmt.Errorf("the %s %s is not a name of 1 to 63 lower-case letters, digits and dashes: `gcloud run %s list` lists them", s.noun(), calls.Quoted(s.name), s.command()))
	}
	s.fault = errors.Join(faults...)
	return s
}

var (
	validProject = regexp.MustCompile(`^([a-z0-9.-]{1,40}:)?[a-z0-9][a-z0-9-]{4,40}[a-z0-9]$`)
	validRegion  = regexp.MustCompile(`^[a-z]{2,20}(-[a-z]{2,20})+[0-9]{1,2}$`)
	validName    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Self returns the name of the service or the worker pool in which this process runs, from
// Cloud Run's environment variables K_SERVICE and CLOUD_RUN_WORKER_POOL. Anywhere else it
// is empty.
func Self() string { return cmp.Or(os.Getenv("K_SERVICE"), os.Getenv("CLOUD_RUN_WORKER_POOL")) }

// CloseIdleConnections closes the connections that are kept open between calls. It does not
// close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() { c.calls.CloseIdleConnections() }

// Format writes the address of the client's API, for every verb, and never the token.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "cloudrun.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// explain reads a refusal, which is a google.rpc.Status within "error".
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Error status `json:"error"`
	}
	if json.Unmarshal(body, &refusal) == nil {
		e.Code, e.Message = refusal.Error.Status, refusal.Error.Message
	}
}

// A status says why a request or an operation failed.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

func advise(e *platform.Error) string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "Google does not accept the token: check the TokenFunc, and that the token has the scope cloud-platform"
	case e.Status == http.StatusForbidden:
		return "give the service account run.services.get and run.services.update on the service (run.workerpools.get and .update on a worker pool), which the role Cloud Run Developer has, and the role Service Account User on the account that it runs as"
	case e.Status == http.StatusNotFound:
		return "check the project, the region and the name: `gcloud run services list` lists the services"
	case e.Status == http.StatusConflict:
		return "somebody else changed it at the same moment: the size is ordered again in the next tick"
	case e.Status == http.StatusTooManyRequests:
		return "a quota of the project is used up, see IAM & Admin, Quotas: the size stays as it is until then"
	case e.Status >= 500:
		return "the API of Google is in trouble, see https://status.cloud.google.com; the size stays as it is"
	}
	return ""
}
