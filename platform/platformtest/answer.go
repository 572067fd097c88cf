package platformtest

import (
	"io"
	"net/http"
	"strings"
)

// Answer returns a transport that answers every request with a status and a body. It
// is for tests of how a client reads an answer.
func Answer(status int, body string) http.RoundTripper { return constant{status, body} }

type constant struct {
	status int
	body   string
}

func (c constant) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: c.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(c.body)),
		ContentLength: int64(len(c.body)), Request: req, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}
