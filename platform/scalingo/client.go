package scalingo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultBaseURL is the default of platform.Options.BaseURL, the API of the region
	// osc-fr1. For another region, put its name in place of osc-fr1.
	DefaultBaseURL = "https://api.osc-fr1.scalingo.com"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour.
	DefaultCallsPerHour = 1800

	authURL    = "https://auth.scalingo.com"
	bearerLife = time.Hour
	getToken   = "make one at https://dashboard.scalingo.com/account/tokens"
)

// A Client speaks to the API of one of Scalingo's regions with one API token. All its
// Scalers share its connections, its bearer token and its budget of calls. It is safe for
// concurrent use.
type Client struct{ calls, auth *calls.Client }

// NewClient returns a client that authenticates with an API token, without the white
// space around it. If opts is nil, the default options are used. NewClient does no I/O.
// [Scaler.Validate] and every call report invalid arguments.
func NewClient(apiToken string, opts *platform.Options) *Client {
	apiToken = strings.TrimSpace(apiToken)
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	like := regexp.MustCompile(`tk-[a-z]{2}-[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	name := calls.Scrubber(like, apiToken)(cmp.Or(o.TokenName, "the API token given to scalingo.NewClient"))
	d := calls.Dialect{
		Platform: "scalingo", BaseURL: authOf(o.BaseURL), CallsPerHour: 120,
		Secrets: []string{apiToken}, Like: like,
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.SetBasicAuth("", apiToken)
			return nil
		},
		Explain: explain,
	}
	auth := calls.New(d, &platform.Options{AttemptTimeout: o.AttemptTimeout, Transport: o.Transport})
	bearer := calls.NewBearer(func(ctx context.Context) (string, time.Duration, error) {
		var answer struct {
			Token string `json:"token"`
		}
		call := calls.Call{Op: "exchange the API token", Subject: "for a bearer token", Method: http.MethodPost, Path: "/v1/tokens/exchange", Body: []byte("{}"), Urgency: calls.Urgent}
		err := auth.Do(ctx, call, &answer)
		return answer.Token, bearerLife, err
	})
	d.BaseURL, d.CallsPerHour = DefaultBaseURL, DefaultCallsPerHour
	d.Authorize, d.Renew, d.Hidden = bearer.Authorize, bearer.Renew, bearer.Hidden
	d.Advise = func(e *platform.Error) string { return advise(e, name) }
	d.Passing = passing
	return &Client{calls.New(d, &o, calls.FaultOfToken(apiToken, name, getToken)), auth}
}

// authOf returns the URL at which an API token is exchanged. A server that replaces
// Scalingo's API must do this too, so that the token goes nowhere else.
func authOf(base string) string {
	u, err := url.Parse(base)
	if base == "" || err == nil && u.Scheme == "https" && strings.HasSuffix(u.Hostname(), ".scalingo.com") && u.Port() == "" {
		return authURL
	}
	return base
}

// Self returns the app and the container in which this process runs, such as "shop" and
// "web-1", from Scalingo's environment variables APP and CONTAINER. Anywhere else they are
// empty. The container suits leader.Options.Holder.
func Self() (app, container string) { return os.Getenv("APP"), os.Getenv("CONTAINER") }

// CloseIdleConnections closes the connections that are kept open between calls. It does not
// close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	c.calls.CloseIdleConnections()
	c.auth.CloseIdleConnections()
}

// Format writes the address of the client's API, for every verb, and never the token.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "scalingo.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// explain reads a refusal. One with status 422 has a list of texts for each attribute.
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Code   string              `json:"code"`
		Error  string              `json:"error"`
		Errors map[string][]string `json:"errors"`
	}
	if json.Unmarshal(body, &refusal) != nil {
		return
	}
	e.Code, e.Message = refusal.Code, refusal.Error
	for _, attribute := range slices.Sorted(maps.Keys(refusal.Errors)) {
		if e.Message != "" {
			e.Message += "; "
		}
		e.Message += attribute + " " + strings.Join(refusal.Errors[attribute], ", ")
	}
}

// passingWords match a refusal because another operation is under way. The words are a
// guess: no published text of the API has them.
var passingWords = regexp.MustCompile(`(?i)in progress|already (?:running|scaling|being)|is (?:being )?(?:deploy|scal|restart)(?:ed|ing)|currently (?:deploy|scal|restart)ing|another operation|operation is running|pending operation`)

// passing reports whether the reason for a refusal ends by itself: Scalingo carries out
// one operation on an app at a time.
func passing(e *platform.Error) bool {
	switch e.Status {
	case http.StatusConflict:
		return true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return passingWords.MatchString(e.Message)
	}
	return false
}

// limitWords match a refusal because more containers are not permitted.
var limitWords = regexp.MustCompile(`(?i)limit|maximum|quota|too many|at most|can't be greater|less than or equal`)

// limited reports whether a limit is the reason for a refusal.
func limited(e *platform.Error) bool {
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusForbidden || e.Status == http.StatusUnprocessableEntity) &&
		!passing(e) && limitWords.MatchString(e.Message)
}

// advise returns advice on a refusal.
func advise(e *platform.Error, token string) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "check " + token + ": it may have been revoked; " + getToken
	case http.StatusPaymentRequired:
		return "the account must pay first, at https://dashboard.scalingo.com/billing"
	case http.StatusNotFound:
		return "check the app's name, the region (Options.BaseURL), that the process type is in the Procfile, and that the user of the API token is a collaborator of the app"
	case http.StatusTooManyRequests:
		return "the user's calls of the API are used up for now: use an API token of another user, or lower Options.CallsPerHour"
	}
	switch {
	case limited(e):
		return "lower Max, or ask Scalingo's support to raise the limit"
	case e.Status == http.StatusForbidden:
		return "the user of the API token must be a collaborator who may scale the app"
	case e.Status >= 500:
		return "Scalingo's API is in trouble, see https://scalingostatus.com; the size stays as it is"
	}
	return ""
}

var (
	validApp  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	validType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
)

// Scaler returns the Scaler of one process type of an app. app is the app's name or id,
// and typ is the process type in the Procfile, for example "web".
func (c *Client) Scaler(app, typ string) *Scaler {
	s := &Scaler{client: c, app: c.calls.Name(app), typ: c.calls.Name(typ), rival: &calls.Lookup[string]{Age: rivalAge, Trust: rivalTrust}}
	faults := []error{c.calls.Fault()}
	if c.calls.Fault() == nil {
		faults = append(faults, c.auth.Fault())
	}
	if !validApp.MatchString(s.app) {
		faults = append(faults, fmt.Errorf("the app %s is not a name of lower-case letters, digits and dashes: `scalingo apps` lists the names", calls.Quoted(s.app)))
	}
	if !validType.MatchString(s.typ) {
		faults = append(faults, fmt.Errorf("the process type %s is not 1 to 63 letters, digits, dashes and underscores: give one of the Procfile's, as web", calls.Quoted(s.typ)))
	}
	s.fault = errors.Join(faults...)
	return s
}
