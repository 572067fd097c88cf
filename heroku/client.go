package heroku

import (
	"cmp"
	"context"
	"crypto/rand"
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
	"github.com/autoscalebot/autoscale/platform"
)

// The defaults of [Options].
const (
	DefaultBaseURL        = api.DefaultURL
	DefaultMetricsURL     = "https://api.metrics.heroku.com"
	DefaultCallsPerHour   = accountPerHour / 2
	DefaultAttemptTimeout = 10 * time.Second
)

// accountPerHour is how many calls Heroku permits an account.
const accountPerHour = 4500

// noMetrics is the value of Options.MetricsURL that stands for no URL.
const noMetrics = "-"

// Options are the settings of a [Client]. The zero value is ready to use.
type Options struct {
	// BaseURL is where the Platform API is. It must be https, except on the
	// loopback interface and where Transport is set. Defaults to DefaultBaseURL.
	BaseURL string

	// MetricsURL is where Heroku says whether its own autoscaling is switched on. It is
	// another host than that of BaseURL. "-" means not to ask. It must be https, except
	// on the loopback interface and where it is BaseURL. It defaults to DefaultMetricsURL
	// if BaseURL is DefaultBaseURL, and otherwise to BaseURL, so that a token for a
	// stand-in of the API goes nowhere else.
	MetricsURL string

	// TokenName says in error messages where the token comes from, as
	// "HEROKU_API_KEY". It is not the token.
	TokenName string

	// CallsPerHour is the most calls that the Client makes in an hour, of the 4,500 that
	// Heroku permits the account and everybody who shares it. A thirtieth of them may be
	// made at once. Defaults to DefaultCallsPerHour.
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

// MarshalJSON writes the same text as Format, as a JSON string.
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
	return o
}

// A Client speaks to Heroku's Platform API with one token. Everything made from it shares
// its connections and its budget of calls. It is safe for concurrent use.
type Client struct {
	calls   *calls.Client
	metrics *calls.Client             // nil: Heroku's own autoscaling is not looked at
	fault   error                     // what is wrong with the token and the options
	scopes  *atomic.Pointer[[]string] // of the token, as the API says it
}

// NewClient returns a client that presents token. White space around the token is
// dropped. If opts is nil, the default options are used. Later changes of *opts have no
// effect. NewClient does no I/O. [Scaler.Validate] and every call report what is wrong
// with its arguments.
func NewClient(token string, opts *Options) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	token = strings.TrimSpace(token)
	name := calls.Scrubber(likeToken, token)(o.TokenName)

	c := &Client{scopes: new(atomic.Pointer[[]string])}
	d := calls.Dialect{
		Platform: "heroku", BaseURL: DefaultBaseURL, CallsPerHour: DefaultCallsPerHour, Account: accountPerHour,
		Secrets: []string{token}, Like: likeToken,
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Accept", "application/vnd.heroku+json; version=3")
			req.Header.Set("Request-Id", rand.Text()) // Heroku's support finds the call by it
			return nil
		},
		Explain: func(e *platform.Error, h http.Header, body []byte) {
			c.hear(h)
			explain(e, body)
		},
		Advise:  func(e *platform.Error) string { return advise(e, name) },
		Passing: passing,
	}
	c.calls = calls.New(d, &platform.Options{
		BaseURL: o.BaseURL, CallsPerHour: o.CallsPerHour, AttemptTimeout: o.AttemptTimeout, Transport: o.Transport,
	}, faultOfToken(token, name), faultOfMetrics(o))
	c.fault = c.calls.Fault()
	if o.MetricsURL != noMetrics {
		// It is another host, and its calls are not the account's calls of the Platform API.
		d.BaseURL, d.CallsPerHour, d.Account, d.Explain = DefaultMetricsURL, metricsPerHour, 0, nil
		c.metrics = calls.New(d, &platform.Options{BaseURL: o.MetricsURL, AttemptTimeout: o.AttemptTimeout, Transport: o.Transport})
	}
	return c
}

const getToken = "make one with `heroku authorizations:create --scope write`"

// metricsPerHour is more than all Scalers of an app can ask.
const metricsPerHour = 36_000

// do makes a call of the Platform API.
func (c *Client) do(ctx context.Context, call calls.Call, out any) error {
	h, err := c.calls.Answer(ctx, call, out)
	c.hear(h)
	return err
}

// hear notes the scopes of the token, which each answer says.
func (c *Client) hear(h http.Header) {
	if text := h.Get("Oauth-Scope"); text != "" {
		scopes := strings.Fields(c.calls.Scrub(text))
		c.scopes.Store(&scopes)
	}
}

// Scaler returns the Scaler of one process type of an app: app is the app's name or
// id, and typ is the process type as the Procfile names it, "web" for instance.
func (c *Client) Scaler(app, typ string) *Scaler {
	s := &Scaler{client: c, app: c.cleaned(app), typ: c.cleaned(typ), native: newNative(), last: -1}
	s.fault = errors.Join(c.fault, faultOfApp(s.app), faultOfType(s.typ))
	return s
}

// WebURL returns a function for the Base of a [probe.HTTP]. app is the name or the id of
// an app. The function asks Heroku for the app's URL, because that does not follow from
// the name. If the app has no URL, the function returns an error. Each call of it is one
// call of the API. It is safe for concurrent use.
func (c *Client) WebURL(app string) func(ctx context.Context) (string, error) {
	app = c.cleaned(app)
	fault := errors.Join(c.fault, faultOfApp(app))
	return func(ctx context.Context) (string, error) {
		var info struct {
			WebURL string `json:"web_url"`
		}
		call := calls.Call{
			Op: "read the web URL", Subject: "app " + outbound.Line(app, 40), Path: appPath(app),
			Check: func() error {
				if u, err := url.Parse(info.WebURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
					return errors.New("the answer has no web_url: give probe.HTTP.URL as an absolute URL instead")
				}
				return nil
			},
		}
		if fault != nil {
			return "", c.calls.Invalid(call, fault)
		}
		if err := c.do(ctx, call, &info); err != nil {
			return "", err
		}
		return info.WebURL, nil
	}
}

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	c.calls.CloseIdleConnections()
	if c.metrics != nil {
		c.metrics.CloseIdleConnections()
	}
}

// Format writes the address of the client's API, for every verb, and never the token.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "heroku.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// cleaned returns a name, or an invalid name if a token was given in its place.
func (c *Client) cleaned(name string) string {
	if s := c.calls.Scrub(name); s == calls.Redacted || likeToken.MatchString(name) {
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

// faultOfToken also refuses a placeholder, such as $HEROKU_API_KEY or <the token>.
func faultOfToken(token, name string) error {
	if err := calls.FaultOfToken(token, name, getToken); err != nil || validToken.MatchString(token) {
		return err
	}
	return fmt.Errorf("%s has characters that no token of Heroku's has: give the token alone; %s", name, getToken)
}

func faultOfMetrics(o Options) error {
	if o.MetricsURL == noMetrics || o.MetricsURL == o.BaseURL {
		return nil
	}
	return calls.FaultOfURL("Options.MetricsURL", o.MetricsURL, DefaultMetricsURL, false)
}

// App and process type are parts of a path, where "../" or a "?" would address something
// else.

func faultOfApp(app string) error {
	if validAppName.MatchString(app) || validUUID.MatchString(app) {
		return nil
	}
	return fmt.Errorf("the app %s is neither a name (3 to 30 lower-case letters, digits and dashes) nor an id (a UUID): `heroku apps` lists the names", calls.Quoted(app))
}

func faultOfType(typ string) error {
	if validType.MatchString(typ) {
		return nil
	}
	return fmt.Errorf("the process type %s is not 1 to 128 letters, digits, dashes and underscores: give one of the Procfile's, as web", calls.Quoted(typ))
}

func appPath(app string) string { return "/apps/" + app }

func formationPath(app, typ string) string { return "/apps/" + app + "/formation/" + typ }
