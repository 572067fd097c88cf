package kubernetes

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const redacted = "[redacted]"

// webToken is the form of a service account's token.
var webToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){1,2}`)

// secrets are the credentials that requests carried lately. They are taken out of all
// text that others send. They are kept in closures, so that no formatting reaches them.
type secrets struct {
	add  func(texts ...string)
	hide func(text string) string
}

const maxSecrets = 8

func newSecrets() secrets {
	var mu sync.Mutex
	var known []string // the newest last
	return secrets{
		add: func(texts ...string) {
			mu.Lock()
			defer mu.Unlock()
			for _, text := range texts {
				if len(text) < 4 || slices.Contains(known, text) {
					continue
				}
				if len(known) == maxSecrets {
					known = slices.Delete(known, 0, 1)
				}
				known = append(known, text)
			}
		},
		hide: func(text string) string {
			mu.Lock()
			defer mu.Unlock()
			for _, secret := range known {
				text = strings.ReplaceAll(text, secret, redacted)
			}
			return webToken.ReplaceAllLiteralString(text, redacted)
		},
	}
}

// An observer sees each request as it is sent, and learns which credentials it carries:
// a file or a plugin may have supplied them a moment ago.
type observer struct {
	next   http.RoundTripper
	hidden secrets
}

func (o *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, credentials, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		o.hidden.add(credentials)
	}
	return o.next.RoundTrip(req)
}

// CloseIdleConnections is what utilnet.CloseIdleConnectionsFor calls.
func (o *observer) CloseIdleConnections() { utilnet.CloseIdleConnectionsFor(o.next) }
