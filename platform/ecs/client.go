package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/internal/sigv4"
	"github.com/autoscalebot/autoscale/platform"
)

// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. AWS permits an
// account more calls, but does not publish how many.
const DefaultCallsPerHour = 3600

// A Client speaks to the APIs of Amazon ECS and of Application Auto Scaling in one region.
// All its Scalers share its connections and its budget of calls. It is safe for concurrent
// use.
type Client struct {
	calls  *calls.Client
	rivals *calls.Client // of Application Auto Scaling
	fault  error
}

var validRegion = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)

// likeSecret matches a secret access key, a session token, or a part of one. AWS repeats
// the headers of a request whose signature is wrong.
var likeSecret = regexp.MustCompile(`[A-Za-z0-9+=]{40,}|[A-Za-z0-9+/=]{80,}`)

// NewClient returns a client for a region, such as "eu-west-1". If region is empty, it is
// $AWS_REGION, or else $AWS_DEFAULT_REGION. If credentials is nil, DefaultCredentials are
// used. If opts is nil, the default options are used.
//
// By default, each of the two APIs is called at its endpoint in the region. If BaseURL is
// set, both are called there. The server must tell them apart by the header X-Amz-Target.
//
// NewClient does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(region string, credentials CredentialsFunc, opts *platform.Options) *Client {
	getenv := calls.Getenv(opts)
	region = cmp.Or(region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"))
	if credentials == nil {
		credentials = credentialsOf(getenv)
	}
	var faults []error
	switch {
	case region == "":
		faults = append(faults, errors.New("the region is empty: set AWS_REGION, or give one such as eu-west-1"))
	case !validRegion.MatchString(region):
		faults = append(faults, fmt.Errorf("the region %s is not the name of one: give one such as eu-west-1", calls.Quoted(likeSecret.ReplaceAllString(region, calls.Redacted))))
		region = ""
	}
	if opts != nil {
		if u, err := url.Parse(opts.BaseURL); err == nil && strings.Trim(u.Path, "/") != "" {
			faults = append(faults, errors.New("Options.BaseURL has a path: AWS's APIs have none"))
		}
	}
	keep, clock := newKeeper(credentials), new(clock)
	client := func(service string, faults ...error) *calls.Client {
		scope := sigv4.Scope{Region: region, Service: service}
		return calls.New(calls.Dialect{
			Platform: "ecs", BaseURL: endpoint(service, region), CallsPerHour: DefaultCallsPerHour,
			Hidden: func() []string { return secrets(keep) }, Like: likeSecret,
			Authorize: func(ctx context.Context, req *http.Request, body []byte) error {
				c, err := keep.Get(ctx)
				if err != nil {
					return fmt.Errorf("the request was not sent: %w", err)
				}
				sigv4.Sign(req, body, sigv4.Key{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Session: c.SessionToken}, scope, clock.now())
				return nil
			},
			Explain: func(e *platform.Error, h http.Header, body []byte) {
				explain(e, h, body)
				if slices.Contains(refusedTimes, e.Code) {
					clock.set(h.Get("Date"))
				}
			},
			Advise:       advise,
			Passing:      passing,
			Renew:        func(refused string) bool { return renew(keep, refused) },
			Unauthorized: func(e *platform.Error) bool { return slices.Contains(refusedCredentials, e.Code) },
		}, opts, faults...)
	}
	c := &Client{calls: client("ecs", faults...), rivals: client("application-autoscaling")}
	c.fault = c.calls.Fault()
	return c
}

func endpoint(service, region string) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return "https://" + service + "." + cmp.Or(region, "eu-west-1") + "." + suffix
}

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	c.calls.CloseIdleConnections()
	c.rivals.CloseIdleConnections()
}

// Format writes the address of the client's API, for every verb, and never credentials.
func (c *Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "ecs.Client(%s)", cmp.Or(c.calls.Base(), "not valid"))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// Self returns the name of the container in which this process runs, which is the end of
// $ECS_CONTAINER_METADATA_URI_V4. Anywhere else it is empty. It suits
// leader.Options.Holder.
func Self() string {
	uri := os.Getenv("ECS_CONTAINER_METADATA_URI_V4")
	return calls.ShortID(outbound.Line(uri[strings.LastIndex(uri, "/")+1:], 1000), 100)
}

// call makes a call of the JSON 1.1 protocol.
func call(op, subject, target string, body any, u calls.Urgency) calls.Call {
	return calls.Call{
		Op: op, Subject: subject, Method: http.MethodPost, Path: "/", Body: body, Urgency: u,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}},
	}
}

// refusedCredentials are the codes of refusals because of the credentials that signed a
// request. New credentials are refused too for a moment, until AWS knows them.
var refusedCredentials = append([]string{
	"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId", "IncompleteSignature",
}, refusedTimes...)

// refusedTimes are the codes of refusals because of a wrong clock.
var refusedTimes = []string{"InvalidSignatureException", "RequestTimeTooSkewed"}

// explain reads a refusal. Its type is a name, perhaps with a namespace or a URL.
func explain(e *platform.Error, h http.Header, body []byte) {
	e.RequestID = outbound.Line(h.Get("X-Amzn-Requestid"), 100)
	var refusal struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // and Message, because the names in JSON are matched without regard to case
	}
	if json.Unmarshal(body, &refusal) != nil {
		refusal.Type = ""
	}
	code := cmp.Or(refusal.Type, h.Get("X-Amzn-Errortype"))
	code, _, _ = strings.Cut(code, ":")
	e.Code, e.Message = code[strings.LastIndex(code, "#")+1:], refusal.Message
}

// passing reports whether the reason for a refusal ends by itself. A throttled call has
// the status 400.
func passing(e *platform.Error) bool {
	return e.Status == http.StatusConflict || throttled(e)
}

func throttled(e *platform.Error) bool {
	return strings.HasPrefix(e.Code, "Throttl") || slices.Contains([]string{
		"TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
	}, e.Code)
}

func advise(e *platform.Error) string {
	switch {
	case throttled(e):
		return "AWS's limit of calls for the account in this region is reached for now: the size stays as it is until then"
	case e.Code == "AccessDeniedException":
		return "give the role ecs:DescribeServices and ecs:UpdateService on the service, and application-autoscaling:DescribeScalableTargets on *"
	case e.Code == "ClusterNotFoundException":
		return "check the cluster and the region: `aws ecs list-clusters` lists the clusters"
	case e.Code == "ServiceNotFoundException", e.Code == "ServiceNotActiveException":
		return "check the service: `aws ecs list-services --cluster …` lists those of a cluster"
	case slices.Contains(refusedTimes, e.Code):
		return "check the clock of this machine, the region and the credentials"
	case slices.Contains(refusedCredentials, e.Code):
		return "AWS does not know the credentials, or they have ended: other ones are fetched for the next call"
	case e.Status >= 500:
		return "the API of AWS is in trouble, see https://health.aws.amazon.com; the size stays as it is"
	}
	return ""
}
