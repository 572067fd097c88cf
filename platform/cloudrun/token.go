package cloudrun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// A TokenFunc returns an OAuth 2.0 access token with the scope
// https://www.googleapis.com/auth/cloud-platform, and the time at which it ends. The token
// is renewed shortly before that time. If the time is zero, the token is kept for a minute.
// The function must return when its context ends, and must be safe for concurrent use.
//
// If you use Google's libraries, pass their token source:
//
//	func(context.Context) (string, time.Time, error) {
//		t, err := source.Token()
//		if err != nil {
//			return "", time.Time{}, err
//		}
//		return t.AccessToken, t.Expiry, nil
//	}
type TokenFunc func(ctx context.Context) (token string, end time.Time, err error)

const (
	// metadataHost is the address of metadata.google.internal.
	metadataHost = "169.254.169.254"

	tokenPath    = "/computeMetadata/v1/instance/service-accounts/default/token"
	instancePath = "/computeMetadata/v1/instance/id"

	maxMetadata   = 64 << 10
	maxInstanceID = 40

	getToken = "use cloudrun.NewClient with a TokenFunc outside of Google Cloud"
)

// MetadataToken asks the metadata server of Google Cloud for a token of the service account
// that the instance runs as. The server's host is $GCE_METADATA_HOST, or else
// 169.254.169.254.
func MetadataToken(ctx context.Context) (token string, end time.Time, err error) {
	return metadataToken(ctx, os.Getenv)
}

func metadataToken(ctx context.Context, getenv func(string) string) (token string, end time.Time, err error) {
	body, err := metadata(ctx, getenv, tokenPath)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask the metadata server for a token: %w", err)
	}
	var answer struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" || answer.Seconds <= 0 || answer.Seconds > 1e6 {
		return "", time.Time{}, errors.New("ask the metadata server for a token: the answer has no access_token, or no expires_in: check the service account")
	}
	return answer.Token, time.Now().Add(time.Duration(answer.Seconds * float64(time.Second))), nil
}

// InstanceID asks the metadata server for the id of the instance in which this process
// runs. Use it as leader.Options.Holder, because on Cloud Run all instances have the same
// host name. An id of more than 40 bytes, such as Cloud Run's, is shortened to its first
// bytes and a hash of the whole, so that no two instances have the same.
func InstanceID(ctx context.Context) (string, error) {
	body, err := metadata(ctx, os.Getenv, instancePath)
	if err != nil {
		return "", fmt.Errorf("ask the metadata server for the instance's id: %w", err)
	}
	if id := strings.TrimSpace(string(body)); validID.MatchString(id) {
		return calls.ShortID(id, maxInstanceID), nil
	}
	return "", errors.New("ask the metadata server for the instance's id: the answer is not an id")
}

var validID = regexp.MustCompile(`^[0-9A-Za-z]{4,400}$`)

// metadataClient never uses a proxy.
var metadataClient = func() *http.Client {
	t := outbound.NewTransport()
	t.Proxy = nil
	t.DisableKeepAlives = true
	return outbound.Client(http.Client{Transport: t})
}()

// metadata asks the metadata server. No error repeats the answer.
func metadata(ctx context.Context, getenv func(string) string, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cmp.Or(getenv("GCE_METADATA_HOST"), metadataHost)+path, http.NoBody)
	if err != nil {
		return nil, errors.New("GCE_METADATA_HOST is not a host")
	}
	req.Header.Set("Metadata-Flavor", "Google")
	res, err := metadataClient.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("%w: %s", err, getToken)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata+1))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d: check the service account, or %s", res.StatusCode, getToken)
	case res.Header.Get("Metadata-Flavor") != "Google":
		return nil, fmt.Errorf("the answer has no header Metadata-Flavor: Google: something else answered; %s", getToken)
	case err != nil:
		return nil, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err)
	case len(body) > maxMetadata:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxMetadata)
	}
	return body, nil
}

// bearer authenticates with the tokens that a function returns.
func bearer(get TokenFunc) *calls.Bearer {
	return calls.NewBearer(func(ctx context.Context) (string, time.Duration, error) {
		token, end, err := get(ctx)
		if err != nil {
			return "", 0, err
		}
		if end.IsZero() {
			return token, 0, nil
		}
		return token, time.Until(end), nil
	})
}
