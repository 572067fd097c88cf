package heroku

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	api "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// The defaults of [Options].
const (
	DefaultBaseURL        = api.DefaultURL
	DefaultMetricsURL     = "https://api.metrics.heroku.com"
	DefaultCallsPerHour   = accountPerHour / 2
	DefaultAttemptTimeout = 10 * time.Second
)

// noMetrics is the Options.MetricsURL that is none.
const noMetrics = "-"

const userAgent = "autoscale (+https://github.com/autoscalebot/autoscale)"

// Options are the settings of a [Client]. The zero value is ready to use.
type Options struct {
	// BaseURL is where the Platform API is. It must be https, except on the
	// loopback interface and where Transport is set. Defaults to DefaultBaseURL.
	BaseURL string

	// MetricsURL is where Heroku says whether its own autoscaling is switched
	// on, which is another host than that of BaseURL. "-" means that this is
	// not asked. It must be https, except on the loopback interface and where
	// it is BaseURL. Defaults to DefaultMetricsURL if BaseURL is
	// DefaultBaseURL, and else to BaseURL: whatever stands in for Heroku's API
	// stands in for all of it, and the token goes nowhere else.
	MetricsURL string

	// TokenName says in error messages where the token comes from, as
	// "HEROKU_API_KEY". It is not the token.
	TokenName string

	// CallsPerHour is how many calls the Client makes at most, of the 4,500 an
	// hour that Heroku permits the account and everybody who shares it. A
	// thirtieth of it may be made at once. Defaults to DefaultCallsPerHour.
	CallsPerHour int

	// AttemptTimeout is how long one attempt at a call may take, within the
	// time of the caller's context. Defaults to DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// Transport carries the requests, credentials included. Nil: one of the
	// Client's own.
	Transport http.RoundTripper
}

// Format writes the options without what may be secret: users, passwords and queries of
// the URLs, and the Transport.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "heroku.Options(%s, %d calls an hour, attempts of %v)", bare(o.BaseURL, "the default API"), o.CallsPerHour, o.AttemptTimeout)
}

// MarshalJSON writes what Format does.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

func bare(text, none string) string {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return none
	case err != nil:
		return "?"
	}
	return outbound.Bare(u)
}

func (o Options) withDefaults() Options {
	o.BaseURL = strings.TrimRight(cmp.Or(o.BaseURL, DefaultBaseURL), "/")
	o.MetricsURL = strings.TrimRight(o.MetricsURL, "/")
	switch {
	case o.MetricsURL != "":
	case o.BaseURL == DefaultBaseURL:
		o.MetricsURL = DefaultMetricsURL
	default:
		o.MetricsURL = o.BaseURL
	}
	o.TokenName = cmp.Or(o.TokenName, "the token given to heroku.NewClient")
	o.CallsPerHour = cmp.Or(o.CallsPerHour, DefaultCallsPerHour)
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, DefaultAttemptTimeout)
	return o
}

// A Client speaks to Heroku's Platform API with one token. All that is made from it share
// its connections and its budget of calls. It is safe for concurrent use.
type Client struct {
	service   *api.Service
	metrics   *api.Service // nil: Heroku's own autoscaling is not looked at
	budget    *calls.Budget
	timeout   time.Duration
	base      string
	scrub     func(string) string
	tokenName string
	own       *http.Transport           // nil where the host supplied one
	fault     error                     // what is wrong with the token and the options
	scopes    *atomic.Pointer[[]string] // of the token, as the API says it
}

// NewClient returns a client that presents token, whose surrounding white space is
// dropped. If opts is nil, the default options are used. Later changes of *opts have no
// effect. NewClient does no I/O: what is wrong with its arguments is reported by
// [Scaler.Validate] and by every call.
func NewClient(token string, opts *Options) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	token = strings.TrimSpace(token)

	c := &Client{
		timeout: o.AttemptTimeout,
		budget:  calls.NewBudget("heroku", o.CallsPerHour, accountPerHour),
		scrub:   scrubber(token),
		scopes:  new(atomic.Pointer[[]string]),
	}
	c.tokenName = c.scrub(o.TokenName)
	faults := []error{faultOfToken(token, c.tokenName), faultOfBase(o), faultOfMetrics(o)}
	if o.CallsPerHour < 0 {
		faults = append(faults, fmt.Errorf("Options.CallsPerHour is %d: it must be above 0, or 0 for %d", o.CallsPerHour, DefaultCallsPerHour))
	}
	if o.AttemptTimeout < 0 {
		faults = append(faults, fmt.Errorf("Options.AttemptTimeout is %v: it must be above 0, or 0 for %v", o.AttemptTimeout, DefaultAttemptTimeout))
	}
	if c.fault = errors.Join(faults...); c.fault == nil {
		c.base = o.BaseURL
	}

	next := o.Transport
	if next == nil {
		c.own = outbound.NewTransport()
		next = c.own
	}
	// heroku-go's transport negotiates the version and sets the request's id. It
	// does not get the token, which is added further in, so that it cannot print it.
	service := func(url string, b *calls.Budget) *api.Service {
		s := api.NewService(&http.Client{
			Transport: &api.Transport{
				UserAgent: userAgent,
				Transport: &transport{
					next:      outbound.Wrap(next),
					authorize: func(h http.Header) { h.Set("Authorization", "Bearer "+token) },
					scrub:     c.scrub,
					budget:    b,
					scopes:    c.scopes,
				},
			},
		})
		s.URL = url
		return s
	}
	c.service = service(o.BaseURL, c.budget)
	if o.MetricsURL != noMetrics {
		c.metrics = service(o.MetricsURL, nil)
	}
	return c
}

// Scaler returns the Scaler of one process type of an app: app is the app's name or
// id, and typ is the process type as the Procfile names it, "web" for instance.
func (c *Client) Scaler(app, typ string) *Scaler {
	s := &Scaler{client: c, app: c.cleaned(app), typ: c.cleaned(typ), last: -1}
	s.fault = errors.Join(c.fault, faultOfApp(s.app), faultOfType(s.typ))
	return s
}

// WebURL returns a function for the Base of a [probe.HTTP]. It asks Heroku for the URL of
// an app, given by its name or id, because the name alone does not say it. If the app has
// no URL, it returns an error. Each call of the function is one call of the API. It is
// safe for concurrent use.
func (c *Client) WebURL(app string) func(ctx context.Context) (string, error) {
	app = c.cleaned(app)
	fault := errors.Join(c.fault, faultOfApp(app))
	return func(ctx context.Context) (string, error) {
		call := call{op: "read the web URL", subject: "app " + oneLine(app, 40)}
		if fault != nil {
			return "", call.invalid(fault)
		}
		var info struct {
			WebURL string `json:"web_url"`
		}
		err := c.do(ctx, call, func(ctx context.Context) error {
			info.WebURL = ""
			if err := c.service.Get(ctx, &info, appPath(app), nil, nil); err != nil {
				return err
			}
			u, err := url.Parse(info.WebURL)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return errors.New("the answer has no web_url: give probe.HTTP.URL as an absolute URL instead")
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		return info.WebURL, nil
	}
}

// CloseIdleConnections closes the connections that are kept open between calls. It
// leaves alone those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Format writes where the client's API is, whatever the verb, and nothing of the token.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "heroku.Client(%s)", cmp.Or(c.base, "not valid"))
}

// cleaned returns a name, or what is no valid name where a token was given in its place.
func (c *Client) cleaned(name string) string {
	if s := c.scrub(name); s == redacted || herokuToken.MatchString(name) {
		return s
	}
	return name
}

var (
	validToken   = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)
	validAppName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,28}[a-z0-9]$`)
	validUUID    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	validType    = regexp.MustCompile(`^[-\w]{1,128}$`)
)

func faultOfToken(token, name string) error {
	switch {
	case token == "":
		return fmt.Errorf("%s is empty: make one with `heroku authorizations:create --scope write`", name)
	case !validToken.MatchString(token):
		return fmt.Errorf("%s has characters that no token has, such as quotes or white space: give the token alone", name)
	}
	return nil
}

func faultOfBase(o Options) error {
	return calls.FaultOfURL("Options.BaseURL", o.BaseURL, DefaultBaseURL, o.Transport != nil)
}

func faultOfMetrics(o Options) error {
	if o.MetricsURL == noMetrics || o.MetricsURL == o.BaseURL {
		return nil
	}
	return calls.FaultOfURL("Options.MetricsURL", o.MetricsURL, DefaultMetricsURL, false)
}

// heroku-go puts app and process type into a path as they are, where "../" or
// a "?" would address something else.

func faultOfApp(app string) error {
	if validAppName.MatchString(app) || validUUID.MatchString(app) {
		return nil
	}
	return fmt.Errorf("the app %s is neither a name (3 to 30 lower-case letters, digits and dashes) nor an id (a UUID): `heroku apps` lists the names", quoted(app))
}

func faultOfType(typ string) error {
	if validType.MatchString(typ) {
		return nil
	}
	return fmt.Errorf("the process type %s is not 1 to 128 letters, digits, dashes and underscores: give one of the Procfile's, as web", quoted(typ))
}

func appPath(app string) string { return "/apps/" + app }

func formationPath(app, typ string) string { return "/apps/" + app + "/formation/" + typ }
