package nomad

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultBaseURL is the default of platform.Options.BaseURL where the environment names
	// no address.
	DefaultBaseURL = "http://127.0.0.1:4646"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. Nomad limits the
	// connections from an address, but not the calls.
	DefaultCallsPerHour = 3600
)

// exampleURL is the example of an address in texts.
const exampleURL = "https://nomad.example.com:4646"

// A Client speaks to the HTTP API of Nomad with one token. All its Scalers share its
// connections and its budget of calls. It is safe for concurrent use.
type Client struct {
	calls   *calls.Client
	address string // in the form that texts show
	close   func() // closes the connections to a socket; a func, because no verb of fmt shows what is in it
	hide    func(string) string
}

// NewClient returns a client that authenticates with a token, without the white space
// around it. The token is an ACL token, or the workload identity of a task. If Nomad's ACLs
// are off, it is empty. If opts is nil, the default options are used.
//
// BaseURL defaults to $NOMAD_ADDR. If that is empty, it defaults in a task to the socket of
// Nomad's Task API, which is api.sock in $NOMAD_SECRETS_DIR, and anywhere else to
// DefaultBaseURL. An address such as unix:///secrets/api.sock is a Unix socket. If opts has
// a Transport, that must reach the socket.
//
// NewClient does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(token string, opts *platform.Options) *Client {
	token = strings.TrimSpace(token)
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	like := regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	c := &Client{close: func() {}, hide: calls.Scrubber(like, token)}
	name := c.hide(cmp.Or(o.TokenName, "the token given to nomad.NewClient"))
	var faults []error
	if token != "" {
		faults = append(faults, calls.FaultOfToken(token, name, ""))
	}
	env := calls.Getenv(opts)
	o.BaseURL = cmp.Or(o.BaseURL, env("NOMAD_ADDR"), taskAPI(env), DefaultBaseURL)
	if strings.HasPrefix(o.BaseURL, "unix:") {
		socket, err := socketOf(o.BaseURL)
		faults = append(faults, err)
		c.address = "unix://" + c.hide(socket)
		o.BaseURL = "http://localhost" // used only for the header Host; no proxy is used for it
		if o.Transport == nil {
			t := socketTransport(socket)
			o.Transport, c.close = t, t.CloseIdleConnections
		}
	}
	c.calls = calls.New(calls.Dialect{
		Platform: "nomad", BaseURL: exampleURL, CallsPerHour: DefaultCallsPerHour,
		Secrets: []string{token}, Like: like,
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			if token != "" {
				req.Header.Set("X-Nomad-Token", token)
			}
			return nil
		},
		Explain: explain,
		Advise:  func(e *platform.Error) string { return advise(e, name) },
		Passing: func(e *platform.Error) bool { return e.Status == http.StatusConflict || deploying(e) },
		Lasting: func(e *platform.Error) bool {
			return errors.Is(e.Err, fs.ErrNotExist) || errors.Is(e.Err, fs.ErrPermission)
		},
	}, &o, faults...)
	return c
}

// taskAPI returns the address of the Task API's socket, if this process runs in a task.
// Newer versions of Nomad also set NOMAD_UNIX_ADDR.
func taskAPI(env func(string) string) string {
	dir := env("NOMAD_SECRETS_DIR")
	if !strings.HasPrefix(dir, "/") { // on Windows it has another form
		return ""
	}
	return (&url.URL{Scheme: "unix", Path: path.Join(dir, "api.sock")}).String()
}

// socketOf returns the path of the socket in an address.
func socketOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("Options.BaseURL is not the address of a Unix socket: give one as unix:///secrets/api.sock")
	}
	return u.Path, nil
}

// socketTransport returns a transport to a Unix socket.
func socketTransport(socket string) *http.Transport {
	t := outbound.NewTransport()
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return t
}

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	c.calls.CloseIdleConnections()
	c.close()
}

// Format writes the address of the client's API, for every verb, and never the token.
func (c *Client) Format(f fmt.State, _ rune) {
	base := c.calls.Base()
	if base != "" {
		base = cmp.Or(c.address, base)
	}
	fmt.Fprintf(f, "nomad.Client(%s)", cmp.Or(base, "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// A Group names a task group of a job.
type Group struct {
	Job  string // the job's id
	Name string // the name of the task group

	// Namespace is the namespace of the job. Empty: Nomad's namespace "default".
	Namespace string

	// Region is the region of the job. Empty: the region of the agent that gets the
	// request.
	Region string
}

// Self returns the task group in which this process runs, and the id of its allocation. It
// reads the environment variables NOMAD_JOB_ID, NOMAD_GROUP_NAME, NOMAD_NAMESPACE,
// NOMAD_REGION and NOMAD_ALLOC_ID. Anywhere else they are empty. The allocation suits
// leader.Options.Holder.
func Self() (g Group, alloc string) {
	return Group{
		Job: os.Getenv("NOMAD_JOB_ID"), Name: os.Getenv("NOMAD_GROUP_NAME"),
		Namespace: os.Getenv("NOMAD_NAMESPACE"), Region: os.Getenv("NOMAD_REGION"),
	}, os.Getenv("NOMAD_ALLOC_ID")
}

// explain reads a refusal, which is plain text.
func explain(e *platform.Error, h http.Header, body []byte) {
	if calls.MediaType(h) == "text/plain" {
		e.Message = string(body)
	}
}

// deploying reports whether an active deployment is the reason for a refusal, by the text
// that Nomad uses.
func deploying(e *platform.Error) bool {
	return e.Status == http.StatusBadRequest && strings.Contains(e.Message, "blocked due to active deployment")
}

// advise returns advice on a refusal, or about no answer.
func advise(e *platform.Error, token string) string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return "the socket does not exist: Nomad 1.5 and later give a task one. Elsewhere, set NOMAD_ADDR to the address of an agent"
	case errors.Is(e.Err, fs.ErrPermission):
		return "this process may not open the socket: let the job's task block name the user that the process runs as, or set NOMAD_ADDR to the address of an agent"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "no Nomad agent listens there: check NOMAD_ADDR"
	case deploying(e):
		return "this ends with the deployment: `nomad job deployments` lists it, and `nomad deployment promote` or `nomad deployment fail` ends one that waits"
	case strings.Contains(e.Message, "less than scaling policy minimum"):
		return "raise Min to the min of the group's scaling block, or lower that"
	case strings.Contains(e.Message, "greater than scaling policy maximum"):
		return "lower Max, or raise the max of the group's scaling block"
	case strings.Contains(e.Message, "greater than configured job_max_count"):
		return "lower Max, or have job_max_count of the servers raised"
	case e.Status == http.StatusUnauthorized:
		return "Nomad's Task API answers no request without a token: give the task the block identity { env = true }, which sets NOMAD_TOKEN"
	case e.Status == http.StatusForbidden && strings.Contains(e.Message, "disabled by the scheduler configuration"):
		return "an operator has stopped all registrations: `nomad operator scheduler set-config -reject-job-registration=false` permits them again"
	case e.Status == http.StatusForbidden:
		return "check " + token + ": it may have ended, or lack the capabilities read-job and scale-job in the job's namespace"
	case e.Status == http.StatusNotFound:
		return "check the job's id, its namespace and its region: `nomad job status -namespace=…` lists the jobs"
	case e.Status == http.StatusTooManyRequests:
		return "Nomad limits the connections of one address (http_max_conns_per_client): raise that, or close some. The size stays as it is until then"
	case strings.Contains(e.Message, "No path to region"):
		return "check the region"
	case e.Status >= 500:
		return "Nomad's servers are in trouble; the size stays as it is"
	}
	return ""
}
