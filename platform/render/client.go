package render

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultBaseURL is the default of platform.Options.BaseURL.
	DefaultBaseURL = "https://api.render.com/v1"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. It is a small
	// part of what Render permits.
	DefaultCallsPerHour = 1800
)

const getKey = "make one in the Render Dashboard, under Account Settings, API Keys"

// A Client speaks to Render's API with one API key. All its Scalers share its connections
// and its budget of calls. It is safe for concurrent use.
type Client struct{ calls *calls.Client }

// NewClient returns a client that authenticates with an API key, without the white space
// around it. If opts is nil, the default options are used. NewClient does no I/O.
// [Scaler.Validate] and every call report invalid arguments.
func NewClient(apiKey string, opts *platform.Options) *Client {
	apiKey = strings.TrimSpace(apiKey)
	like := regexp.MustCompile(`rnd_[A-Za-z0-9]+`)
	name := "the API key given to render.NewClient"
	if opts != nil {
		name = calls.Scrubber(like, apiKey)(cmp.Or(opts.TokenName, name))
	}
	return &Client{calls.New(calls.Dialect{
		Platform: "render", BaseURL: DefaultBaseURL, CallsPerHour: DefaultCallsPerHour,
		Secrets: []string{apiKey}, Like: like,
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.Header.Set("Authorization", "Bearer "+apiKey)
			return nil
		},
		Explain: explain,
		Advise:  func(e *platform.Error) string { return advise(e, name) },
		Passing: func(e *platform.Error) bool { return e.Status == http.StatusConflict },
	}, opts, calls.FaultOfToken(apiKey, name, getKey))}
}

// Self returns the ids of the service and of the instance in which this process runs,
// from Render's environment variables RENDER_SERVICE_ID and RENDER_INSTANCE_ID. Anywhere
// else they are empty. The instance suits leader.Options.Holder.
func Self() (service, instance string) {
	return os.Getenv("RENDER_SERVICE_ID"), os.Getenv("RENDER_INSTANCE_ID")
}

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() { c.calls.CloseIdleConnections() }

// Format writes the address of the client's API, for every verb, and never the API key.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "render.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// explain reads a refusal of the API. It has an id, and sometimes a code.
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Code    string `json:"code"`
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &refusal) == nil {
		e.Code, e.Message = cmp.Or(refusal.Code, refusal.ID), refusal.Message
	}
}

// advise returns advice on a status.
func advise(e *platform.Error, key string) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "check " + key + ": it may have been revoked; " + getKey
	case http.StatusPaymentRequired:
		return "the workspace must pay first: see Billing in the Render Dashboard"
	case http.StatusForbidden:
		return "the user of the API key must be a member of the service's workspace, with a role that may change services"
	case http.StatusNotFound, http.StatusGone:
		return "check the service's id, as srv-…, which the service's page in the Render Dashboard has in its address, and that the user of the API key is a member of its workspace"
	case http.StatusTooManyRequests:
		return "the API key's calls are used up for now, by all who share it: use an API key of another user, or lower Options.CallsPerHour"
	}
	if e.Status >= 500 {
		return "Render's API is in trouble, see https://status.render.com; the size stays as it is"
	}
	return ""
}
