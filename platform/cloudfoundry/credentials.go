package cloudfoundry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// Credentials are exchanged at UAA for an access token. One of these grants is used:
//
//   - client credentials, if only ClientID and ClientSecret are set;
//   - password, if Username and Password are set;
//   - refresh token, if RefreshToken is set.
//
// No verb of fmt shows what is in a Credentials.
type Credentials struct {
	// ClientID is the client of UAA. Defaults to "cf" for the grants of a user.
	ClientID string

	// ClientSecret is the client's secret. The client "cf" has an empty one.
	ClientSecret string

	// Username and Password log a user in. A user with a second factor, or of another
	// identity provider, cannot log in with them.
	Username, Password string

	// RefreshToken is a user's refresh token. If UAA sends a newer one, that is used from
	// then on. The newer one is kept only in memory, so the first one must still be valid
	// when the program is started again.
	RefreshToken string

	// UAAURL is the URL of UAA, such as "https://uaa.sys.example.com". Defaults to the
	// one that the API names.
	UAAURL string

	// AutoscalerURL is the URL of App Autoscaler's API, such as
	// "https://autoscaler.sys.example.com". The access token is sent there. Empty: App
	// Autoscaler is not asked, and is assumed to be off.
	AutoscalerURL string
}

// Format writes only which grant is used, for every verb.
func (c Credentials) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "cloudfoundry.Credentials(%s)", c.grant())
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

func (c Credentials) grant() string {
	switch {
	case c.RefreshToken != "":
		return "refresh_token"
	case c.Username != "" || c.Password != "":
		return "password"
	case c.ClientID != "" || c.ClientSecret != "":
		return "client_credentials"
	}
	return "none"
}

// trimmed returns c without white space around its values.
func (c Credentials) trimmed() Credentials {
	for _, p := range []*string{&c.ClientID, &c.ClientSecret, &c.Username, &c.RefreshToken, &c.UAAURL, &c.AutoscalerURL} {
		*p = strings.TrimSpace(*p)
	}
	return c
}

// faults returns everything that is wrong with c. name says where c comes from.
func (c Credentials) faults(name string, plain bool) (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch c.grant() {
	case "none":
		fault("%s: there are none: give ClientID and ClientSecret, Username and Password, or RefreshToken", name)
	case "client_credentials":
		if c.ClientID == "" || c.ClientSecret == "" {
			fault("%s: ClientID or ClientSecret is empty: give both", name)
		}
	case "password":
		if c.Username == "" || c.Password == "" {
			fault("%s: Username or Password is empty: give both", name)
		}
	case "refresh_token":
		if c.Username != "" || c.Password != "" {
			fault("%s: RefreshToken is set, and Username or Password too: give one of them", name)
		}
		if err := calls.FaultOfToken(c.RefreshToken, name+": RefreshToken", ""); err != nil {
			faults = append(faults, err)
		}
	}
	if c.UAAURL != "" {
		faults = append(faults, calls.FaultOfURL("Credentials.UAAURL", c.UAAURL, "https://uaa.sys.example.com", plain))
	}
	if c.AutoscalerURL != "" {
		faults = append(faults, calls.FaultOfURL("Credentials.AutoscalerURL", c.AutoscalerURL, "https://autoscaler.sys.example.com", plain))
	}
	return faults
}

// A granter exchanges the credentials for access tokens.
type granter struct {
	creds   Credentials
	dialect calls.Dialect // of UAA and of the API's root
	opts    platform.Options
	root    *calls.Client // of the API, without credentials

	mu      sync.Mutex    // guards the fields below; not held during a call
	uaa     *calls.Client // nil: not known yet
	refresh string
}

// grant returns an access token. It is called by one goroutine at a time.
func (g *granter) grant(ctx context.Context) (string, time.Duration, error) {
	uaa, err := g.findUAA(ctx)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {g.creds.grant()}}
	switch g.creds.grant() {
	case "password":
		form.Set("username", g.creds.Username)
		form.Set("password", g.creds.Password)
	case "refresh_token":
		g.mu.Lock()
		form.Set("refresh_token", g.refresh)
		g.mu.Unlock()
	}
	var answer struct {
		AccessToken  string  `json:"access_token"`
		RefreshToken string  `json:"refresh_token"`
		ExpiresIn    float64 `json:"expires_in"`
	}
	err = uaa.Do(ctx, calls.Call{
		Op: "get an access token", Subject: "from UAA", Method: http.MethodPost, Path: "/oauth/token", Urgency: calls.Urgent,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form.Encode()),
	}, &answer)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		if g.creds.UAAURL == "" {
			g.uaa = nil // UAA may be elsewhere by now
		}
		return "", 0, err
	}
	if t := answer.RefreshToken; g.refresh != "" && t != "" && len(t) < 16<<10 && calls.FaultOfToken(t, "", "") == nil {
		g.refresh = t
	}
	// A number that does not fit in a Duration is treated as eleven days.
	return answer.AccessToken, time.Duration(min(max(answer.ExpiresIn, 0), 1e6) * float64(time.Second)), nil
}

// findUAA returns a client of UAA, which the API names if the credentials do not.
func (g *granter) findUAA(ctx context.Context) (*calls.Client, error) {
	g.mu.Lock()
	uaa := g.uaa
	g.mu.Unlock()
	if uaa != nil {
		return uaa, nil
	}
	where := g.creds.UAAURL
	if where == "" {
		type link struct {
			Href string `json:"href"`
		}
		var answer struct {
			Links struct {
				UAA   *link `json:"uaa"`
				Login *link `json:"login"`
			} `json:"links"`
		}
		if err := g.root.Do(ctx, calls.Call{Op: "find UAA", Subject: "in the API's root", Path: "/", Urgency: calls.Urgent}, &answer); err != nil {
			return nil, err
		}
		links := answer.Links
		where = cmp.Or(links.UAA, links.Login, &link{}).Href
		if where == "" {
			return nil, errors.New("the API does not name its UAA: set Credentials.UAAURL")
		}
		if err := calls.FaultOfURL("the URL of UAA that the API names", where, "https://uaa.sys.example.com", strings.HasPrefix(g.root.Base(), "http://")); err != nil {
			return nil, err
		}
	}
	opts := g.opts
	opts.BaseURL, opts.CallsPerHour = where, 0
	d := g.dialect
	d.Authorize = func(_ context.Context, req *http.Request, _ []byte) error {
		id := g.creds.ClientID
		if g.creds.grant() != "client_credentials" {
			id = cmp.Or(id, "cf")
		}
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(g.creds.ClientSecret)) // RFC 6749, section 2.3.1
		return nil
	}
	uaa = calls.New(d, &opts)
	if err := uaa.Fault(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uaa = uaa
	return uaa, nil
}

// hidden returns what must be taken out of texts, besides the credentials.
func (g *granter) hidden() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return []string{g.refresh}
}

func (g *granter) closeIdleConnections() {
	g.mu.Lock()
	uaa := g.uaa
	g.mu.Unlock()
	g.root.CloseIdleConnections()
	if uaa != nil {
		uaa.CloseIdleConnections()
	}
}
