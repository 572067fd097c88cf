package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // of temporary credentials; may be empty
	Expires         time.Time // Zero: they do not expire, or it is not known when
}

// Format writes nothing of the credentials.
func (Credentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, "ecs.Credentials") }

// MarshalJSON writes the same text as Format, as a JSON string.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// A CredentialsFunc returns credentials. It must return when its context ends, and must be
// safe for concurrent use. A [Client] keeps credentials that have Expires until that time,
// and renews them when a tenth of their life is left, at most five minutes. For credentials
// without Expires, it calls the function for each request.
//
// If you use the AWS SDK for Go, pass the credentials of an aws.Config:
//
//	func(ctx context.Context) (ecs.Credentials, error) {
//		c, err := cfg.Credentials.Retrieve(ctx)
//		return ecs.Credentials{
//			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
//		}, err
//	}
type CredentialsFunc func(ctx context.Context) (Credentials, error)

// The environment variables that [DefaultCredentials] reads.
const (
	envKeyID     = "AWS_ACCESS_KEY_ID"
	envSecret    = "AWS_SECRET_ACCESS_KEY"
	envSession   = "AWS_SESSION_TOKEN"
	envRelative  = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	envFull      = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	envToken     = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	envTokenFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
)

// ecsHost is where ECS serves the credentials of a task's role.
const ecsHost = "http://169.254.170.2"

// DefaultCredentials returns a function that uses the first of these that is set in the
// environment at the time of the call:
//
//   - AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN;
//   - AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, which ECS sets for a task that has a role;
//   - AWS_CONTAINER_CREDENTIALS_FULL_URI, with the token in the file
//     AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or in AWS_CONTAINER_AUTHORIZATION_TOKEN, which
//     EKS Pod Identity sets.
//
// If none is set, the function returns an error.
func DefaultCredentials() CredentialsFunc { return credentialsOf(os.Getenv) }

// credentialsOf is DefaultCredentials for a given environment.
func credentialsOf(getenv func(string) string) CredentialsFunc {
	return func(ctx context.Context) (Credentials, error) {
		c := Credentials{AccessKeyID: getenv(envKeyID), SecretAccessKey: getenv(envSecret), SessionToken: getenv(envSession)}
		switch relative, full := getenv(envRelative), getenv(envFull); {
		case c.AccessKeyID != "" && c.SecretAccessKey != "":
			if err := c.fault(); err != nil {
				return Credentials{}, err
			}
			return c, nil
		case c.AccessKeyID != "" || c.SecretAccessKey != "":
			return Credentials{}, fmt.Errorf("only one of %s and %s is set: set both", envKeyID, envSecret)
		case relative != "":
			return ContainerCredentials(ecsHost+relative, nil)(ctx)
		case full != "":
			return ContainerCredentials(full, func() (string, error) { return tokenOf(getenv) })(ctx)
		}
		return Credentials{}, fmt.Errorf("there are no credentials: give the task a role, set %s and %s, or pass a CredentialsFunc in Go", envKeyID, envSecret)
	}
}

// fault returns what is wrong with credentials from the environment, such as the quotation
// marks that Docker's --env-file keeps. AWS would only report a wrong signature.
func (c Credentials) fault() error {
	for _, v := range []struct{ name, value string }{{envKeyID, c.AccessKeyID}, {envSecret, c.SecretAccessKey}, {envSession, c.SessionToken}} {
		if v.value == "" {
			continue
		}
		if err := calls.FaultOfToken(v.value, v.name, "set it"); err != nil {
			return err
		}
	}
	return nil
}

// tokenOf reads the token each time, because EKS replaces the file.
func tokenOf(getenv func(string) string) (string, error) {
	file := getenv(envTokenFile)
	if file == "" {
		return getenv(envToken), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", envTokenFile, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCredentials))
	if err != nil {
		return "", fmt.Errorf("%s: %w", envTokenFile, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// maxCredentials bounds the bytes of an answer of the endpoint, and of a token's file.
const maxCredentials = 64 << 10

// container makes the requests of ContainerCredentials. It never uses a proxy.
var container = func() *http.Client {
	t := outbound.NewTransport()
	t.Proxy = nil
	t.DisableKeepAlives = true
	return outbound.Client(http.Client{Transport: t})
}()

// ContainerCredentials asks the credentials endpoint of a container at a URL. token returns
// the value of the header Authorization. If token is nil or returns an empty string, no
// Authorization is sent. Plain HTTP is permitted to the loopback interface and to the
// addresses that ECS and EKS use.
func ContainerCredentials(endpoint string, token func() (string, error)) CredentialsFunc {
	return func(ctx context.Context) (Credentials, error) {
		u, err := url.Parse(endpoint)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			return Credentials{}, fmt.Errorf("the URL of the container's credentials is not an absolute http or https URL: check %s", envFull)
		case u.Scheme == "http" && !permitted(u.Hostname()):
			return Credentials{}, fmt.Errorf("the URL of the container's credentials is http, and is not of the loopback interface, ECS or EKS: check %s", envFull)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
		if err != nil {
			return Credentials{}, fmt.Errorf("the URL of the container's credentials is not valid: check %s and %s", envFull, envRelative)
		}
		if token != nil {
			text, err := token()
			if err != nil {
				return Credentials{}, fmt.Errorf("read the token for the container's credentials: %w", err)
			}
			if strings.ContainsAny(text, "\r\n") {
				return Credentials{}, fmt.Errorf("the token for the container's credentials has more than one line: check %s", envTokenFile)
			}
			if text != "" {
				req.Header.Set("Authorization", text)
			}
		}
		return ask(req)
	}
}

// permitted reports whether a host may be asked over plain HTTP, as in the AWS SDKs.
func permitted(host string) bool {
	if calls.Loopback(host) {
		return true
	}
	ip := net.ParseIP(host)
	for _, known := range []string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"} {
		if ip.Equal(net.ParseIP(known)) {
			return true
		}
	}
	return false
}

// ask sends a request to the endpoint of a container. No error repeats the answer,
// except for the code.
func ask(req *http.Request) (Credentials, error) {
	res, err := container.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return Credentials{}, fmt.Errorf("ask for the container's credentials: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCredentials+1))
	var answer struct {
		Code            string `json:"code"`
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	shape := json.Unmarshal(body, &answer)
	switch {
	case res.StatusCode != http.StatusOK:
		return Credentials{}, fmt.Errorf("ask for the container's credentials: status %d (%s): check the role of the task",
			res.StatusCode, outbound.Line(cmp.Or(answer.Code, "no code"), 60))
	case err != nil:
		return Credentials{}, fmt.Errorf("ask for the container's credentials: the answer broke off after %d bytes: %w", len(body), err)
	case shape != nil || len(body) > maxCredentials:
		return Credentials{}, fmt.Errorf("ask for the container's credentials: the answer (%d bytes) is not JSON of the expected form: check %s", len(body), envFull)
	case answer.AccessKeyID == "" || answer.SecretAccessKey == "":
		return Credentials{}, errors.New("ask for the container's credentials: the answer has no AccessKeyId or no SecretAccessKey: check the role of the task")
	}
	return Credentials{answer.AccessKeyID, answer.SecretAccessKey, answer.Token, answer.Expiration}, nil
}
