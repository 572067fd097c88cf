package cloudfoundry

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. The Cloud
// Controller can limit the calls of a user. Its sample configuration permits 20,000 an
// hour.
const DefaultCallsPerHour = 5000

// exampleURL is the example of an API in texts.
const exampleURL = "https://api.sys.example.com"

// A Client speaks to one Cloud Controller with one set of credentials. All its Scalers
// share its connections, its access token and its budget of calls. It is safe for
// concurrent use.
type Client struct {
	calls      *calls.Client
	autoscaler *calls.Client // nil: App Autoscaler is not asked
	closeUAA   func()        // a func, because no verb of fmt shows what is in it
}

// NewClient returns a client of the API at Options.BaseURL. That defaults to the API of
// the Cloud Foundry that runs this process: see [Self]. If opts is nil, the default
// options are used. NewClient does no I/O. [Scaler.Validate] and every call report invalid
// arguments.
func NewClient(credentials Credentials, opts *platform.Options) *Client {
	credentials = credentials.trimmed()
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	o.BaseURL = strings.TrimRight(cmp.Or(o.BaseURL, self(calls.Getenv(opts)).API), "/")
	like := regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	secrets := []string{credentials.ClientSecret, credentials.Password, credentials.RefreshToken}
	name := calls.Scrubber(like, secrets...)(cmp.Or(o.TokenName, "the credentials given to cloudfoundry.NewClient"))
	faults := credentials.faults(name, o.Transport != nil)
	if o.BaseURL == "" {
		faults = append(faults, errors.New("Options.BaseURL is empty, and VCAP_APPLICATION has no cf_api: give the URL of the API, as "+exampleURL))
	}

	d := calls.Dialect{
		Platform: "cloudfoundry", BaseURL: exampleURL, CallsPerHour: 120,
		Secrets: secrets, Like: like, Explain: explain,
		Advise:  func(e *platform.Error) string { return advise(e, name) },
		Passing: func(e *platform.Error) bool { return e.Status == http.StatusConflict || inFlight(e) },
	}
	g := &granter{creds: credentials, opts: o, refresh: credentials.RefreshToken}
	d.Hidden = g.hidden
	g.dialect = d
	root := o
	root.CallsPerHour = 0
	g.root = calls.New(d, &root)

	bearer := calls.NewBearer(g.grant)
	d.CallsPerHour = DefaultCallsPerHour
	d.Authorize, d.Renew = bearer.Authorize, bearer.Renew
	d.Hidden = func() []string { return append(bearer.Hidden(), g.hidden()...) }
	c := &Client{calls: calls.New(d, &o, faults...), closeUAA: g.closeIdleConnections}
	if credentials.AutoscalerURL != "" {
		at := root
		at.BaseURL = credentials.AutoscalerURL
		c.autoscaler = calls.New(d, &at)
	}
	return c
}

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	c.calls.CloseIdleConnections()
	c.closeUAA()
	if c.autoscaler != nil {
		c.autoscaler.CloseIdleConnections()
	}
}

// Format writes the address of the client's API for every verb, and never the
// credentials.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "cloudfoundry.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// An Instance says where on Cloud Foundry a process runs.
type Instance struct {
	API      string // the URL of the API, for platform.Options.BaseURL
	App      string // the app's GUID
	Process  string // the process type, as "web"
	Instance string // the instance's GUID, for leader.Options.Holder
}

// Self returns where this process runs, from the environment variables VCAP_APPLICATION
// and CF_INSTANCE_GUID. Anywhere else its fields are empty.
func Self() Instance { return self(os.Getenv) }

func self(getenv func(string) string) Instance {
	var v struct {
		API     string `json:"cf_api"`
		App     string `json:"application_id"`
		Process string `json:"process_type"`
	}
	_ = json.Unmarshal([]byte(getenv("VCAP_APPLICATION")), &v) // if it does not parse, the fields stay empty
	return Instance{v.API, v.App, v.Process, getenv("CF_INSTANCE_GUID")}
}

// explain reads a refusal by the Cloud Controller, which has a list of errors, by UAA, or
// by App Autoscaler.
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Errors []struct {
			Title  string `json:"title"`
			Detail string `json:"detail"`
		} `json:"errors"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(body, &refusal) == nil {
		e.Code, e.Message = refusal.Error, cmp.Or(refusal.Description, refusal.Message)
		if len(refusal.Errors) > 0 {
			e.Code, e.Message = refusal.Errors[0].Title, refusal.Errors[0].Detail
		}
	}
}

// inFlight reports whether a deployment is the reason for a refusal, by the text that the
// Cloud Controller uses (app/actions/process_scale.rb).
func inFlight(e *platform.Error) bool {
	return e.Status == http.StatusUnprocessableEntity && strings.Contains(e.Message, "deployment is in flight")
}

// quotaWords are the names of the Cloud Controller's errors for quotas
// (app/models/runtime/process_model.rb).
var quotaWords = regexp.MustCompile(`(?:quota|limit)_exceeded`)

// limited reports whether a quota is the reason for a refusal.
func limited(e *platform.Error) bool {
	return (e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusBadRequest) && quotaWords.MatchString(e.Message)
}

// advise returns advice on a refusal.
func advise(e *platform.Error, credentials string) string {
	const role = "give it the role Space Supporter in the app's space (`cf set-space-role`)"
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusBadRequest && strings.HasPrefix(e.Code, "invalid_"):
		return "check " + credentials + ": they may have ended or been revoked"
	case e.Status == http.StatusForbidden && strings.Contains(e.Code, "FeatureDisabled"):
		return "an administrator must enable it (`cf enable-feature-flag app_scaling`)"
	case e.Status == http.StatusForbidden:
		return "the user or client of the credentials may not do this: " + role
	case e.Status == http.StatusNotFound:
		return "check the app's GUID (`cf app NAME --guid`), the process type, and what the user or client of the credentials may see: " + role
	case e.Status == http.StatusTooManyRequests:
		return "the calls of the user or client are used up for now: use others, or lower Options.CallsPerHour"
	case inFlight(e):
		return "this ends with the deployment: `cf cancel-deployment` or `cf continue-deployment` end one that is stuck or paused"
	case limited(e):
		return "lower Max, or have the quota of the space or the organization raised (`cf space-quota`, `cf org-quota`)"
	case e.Status >= 500:
		return "Cloud Foundry's API is in trouble; the size stays as it is"
	}
	return ""
}
