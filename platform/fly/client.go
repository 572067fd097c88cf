package fly

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultBaseURL is the default of platform.Options.BaseURL.
	DefaultBaseURL = "https://api.machines.dev"

	// InternalBaseURL is the API's address in the private network of an organization.
	// Apart from the loopback interface, it is the only one that may use plain HTTP.
	InternalBaseURL = "http://_api.internal:4280"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. An order of n
	// machines makes up to 2n calls, and Fly's limits apply to each machine separately.
	DefaultCallsPerHour = 18_000
)

const getToken = "make one for the app alone with `fly tokens create deploy --app NAME`"

// A Client speaks to Fly's Machines API with one token. All its Scalers share its
// connections and its budget of calls. It is safe for concurrent use.
type Client struct {
	calls   *calls.Client
	creates *rate.Limiter // Fly permits an app one create a second, and three at once
	machine string        // the machine in which this process runs, or empty
}

// envMachine is the environment variable that names the machine.
const envMachine = "FLY_MACHINE_ID"

// NewClient returns a client that authenticates with a token, in the form in which `fly
// tokens create deploy` prints it. If opts is nil, the default options are used. NewClient
// does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(token string, opts *platform.Options) *Client {
	secrets := append(strings.FieldsFunc(token, func(r rune) bool { return r <= ' ' || r == ',' }), strings.TrimSpace(token))
	scheme, token := authorization(token)
	like := regexp.MustCompile(`\b(?:FlyV1 |fm[12][a-z]*_|fo1_)[A-Za-z0-9+/=_,.-]+`)
	secrets = append(secrets, token)
	name, plain := "the token given to fly.NewClient", false
	if opts != nil {
		name = calls.Scrubber(like, secrets...)(cmp.Or(opts.TokenName, name))
		u, err := url.Parse(opts.BaseURL)
		plain = err == nil && u.Hostname() == "_api.internal"
	}
	return &Client{calls.New(calls.Dialect{
		Platform: "fly", BaseURL: DefaultBaseURL, Plain: plain, CallsPerHour: DefaultCallsPerHour,
		Secrets: secrets, Like: like,
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.Header.Set("Authorization", scheme+token)
			return nil
		},
		Explain: explain,
		Advise:  func(e *platform.Error) string { return advise(e, name) },
		Passing: func(e *platform.Error) bool {
			return e.Status == http.StatusConflict || e.Status == http.StatusPreconditionFailed || e.Status == http.StatusRequestTimeout ||
				e.Code == noRoom
		},
	}, opts, calls.FaultOfToken(token, name, getToken)), rate.NewLimiter(1, 3), calls.Getenv(opts)(envMachine)}
}

// authorization returns the header for tokens, like fly-go's tokens.FlapsHeader. If there
// are tokens of deployments or organizations, it leaves out those of users.
func authorization(token string) (scheme, tokens string) {
	token = strings.TrimSpace(token)
	for _, scheme := range []string{"FlyV1 ", "Bearer "} {
		token = strings.TrimPrefix(token, scheme)
	}
	var macaroons, users []string
	for one := range strings.SplitSeq(token, ",") {
		one = strings.TrimSpace(one)
		switch kind, _, _ := strings.Cut(one, "_"); kind {
		case "fm2", "fm1r", "fm1a":
			macaroons = append(macaroons, one)
		default:
			users = append(users, one)
		}
	}
	if len(macaroons) > 0 {
		return "FlyV1 ", strings.Join(macaroons, ",")
	}
	return "Bearer ", strings.Join(users, ",")
}

// Self returns the app, the process group and the machine in which this process runs, from
// Fly's environment variables FLY_APP_NAME, FLY_PROCESS_GROUP and FLY_MACHINE_ID. Anywhere
// else they are empty. The machine suits leader.Options.Holder.
func Self() (app, group, machine string) {
	return os.Getenv("FLY_APP_NAME"), os.Getenv("FLY_PROCESS_GROUP"), os.Getenv(envMachine)
}

// CloseIdleConnections closes the connections that are kept open between calls. It does not
// close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() { c.calls.CloseIdleConnections() }

// Format writes the address of the client's API, for every verb, and never the token.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "fly.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

const (
	noRoom = "insufficient_capacity" // a region has no room; flaps.errorResponse has it in fly-go
	taken  = "already_exists"        // the name of a machine
)

// machineLimit matches a refusal above an organization's limit of machines.
var machineLimit = regexp.MustCompile(`(?i)reached (?:its|the) machine limit`)

// explain reads a refusal. Some refusals have a name in "status". In others the text in
// "error" begins with a name, as in "already_exists: unique machine name violation, …".
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	if json.Unmarshal(body, &refusal) != nil {
		return
	}
	e.Code, e.Message = refusal.Status, cmp.Or(refusal.Message, refusal.Error)
	if code, rest, ok := strings.Cut(e.Message, ": "); ok && e.Code == "" && validCode.MatchString(code) {
		e.Code, e.Message = code, rest
	}
}

var validCode = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// advise returns advice on a refusal.
func advise(e *platform.Error, token string) string {
	switch {
	case machineLimit.MatchString(e.Message):
		return "destroy machines that nobody needs, or ask billing@fly.io to raise the organization's limit"
	case e.Code == noRoom:
		return "the region has no room now: create machines in another region with `fly scale count --region`"
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return "check " + token + ": it may have ended or been revoked, or be another app's; " + getToken
	case e.Status == http.StatusNotFound:
		return "check the app's name, and that the token is for it"
	case e.Status == http.StatusTooManyRequests:
		return "Fly permits one request a second for each action and machine: see who else changes the machines"
	case e.Status >= 500:
		return "Fly's API is in trouble, see https://status.flyio.net; the size stays as it is"
	}
	return ""
}
