// Package sigv4 signs requests to AWS by Signature Version 4, as
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html says.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// A Key is what a request is signed with.
type Key struct {
	ID, Secret string
	Session    string // of temporary credentials; may be empty
}

// Format writes nothing of the key.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sigv4.Key") }

// A Scope is where a signature holds.
type Scope struct{ Region, Service string }

// unsigned are the headers that a proxy may change.
var unsigned = []string{"Authorization", "User-Agent", "Accept-Encoding", "X-Amzn-Trace-Id", "Connection", "Content-Length"}

// Sign adds X-Amz-Date, X-Amz-Security-Token if the key has a session, and Authorization
// to a request. It covers all other headers of req. The path must be "/", and there must
// be no query: the services that speak JSON 1.1 have no other.
func Sign(req *http.Request, body []byte, k Key, s Scope, now time.Time) {
	now = now.UTC()
	req.Header.Set("X-Amz-Date", now.Format(timeFormat))
	if k.Session != "" {
		req.Header.Set("X-Amz-Security-Token", k.Session)
	}
	var names []string
	for name := range req.Header {
		if !slices.Contains(unsigned, name) {
			names = append(names, strings.ToLower(name))
		}
	}
	names = append(names, "host")
	slices.Sort(names)
	req.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		algorithm, k.ID, s.scope(now), strings.Join(names, ";"), Signature(req, names, body, k, s, now)))
}

func (s Scope) scope(now time.Time) string {
	return strings.Join([]string{now.Format("20060102"), s.Region, s.Service, "aws4_request"}, "/")
}

// Signature returns the signature of a request. names are the headers that it covers, in
// lower case and sorted.
func Signature(req *http.Request, names []string, body []byte, k Key, s Scope, now time.Time) string {
	date, scope := now.Format(timeFormat), s.scope(now)
	text := strings.Join([]string{algorithm, date, scope, hash([]byte(canonical(req, names, body)))}, "\n")
	key := []byte("AWS4" + k.Secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

// canonical returns the canonical form of a request with the path "/" and no query.
func canonical(req *http.Request, names []string, body []byte) string {
	var b strings.Builder
	b.WriteString(req.Method + "\n/\n\n")
	for _, name := range names {
		values := req.Header.Values(name)
		if name == "host" {
			values = []string{req.URL.Host}
			if req.Host != "" {
				values[0] = req.Host
			}
		}
		b.WriteString(name + ":")
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.Fields(v), " "))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n" + hash(body))
	return b.String()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
