package heroku_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

const token = "HRKU-AAtest-0123456789-not-a-secret"

// A platform is an http.RoundTripper that answers without a network, and
// remembers what it was sent.
type platform struct {
	answer func(req *http.Request, n int) (*http.Response, error) // n counts from 1

	mu   sync.Mutex
	sent []sent
}

type sent struct {
	at     time.Time
	method string
	host   string // with the scheme
	path   string
	body   string
	header http.Header
}

func (p *platform) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body.Close()
		body = string(b)
	}
	p.mu.Lock()
	p.sent = append(p.sent, sent{time.Now(), req.Method, req.URL.Scheme + "://" + req.URL.Host, req.URL.Path, body, req.Header.Clone()})
	n := len(p.sent)
	p.mu.Unlock()
	return p.answer(req, n)
}

// calls returns what was sent, as "GET /apps/shop".
func (p *platform) calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, s := range p.sent {
		out = append(out, s.method+" "+s.path)
	}
	return out
}

// reply makes an answer. Each pair of headers is a name and a value.
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}, "Request-Id": {"req-1"}}
	if strings.HasPrefix(body, "<") {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

const (
	web3      = `{"type":"web","quantity":3,"size":"Standard-1X","updated_at":"2026-05-04T03:02:01Z"}`
	shopInfo  = `{"name":"shop","maintenance":false,"web_url":"https://shop-0a1b2c.herokuapp.com/"}`
	threeUp   = `[{"type":"web","state":"up"},{"type":"web","state":"up"},{"type":"web","state":"up"}]`
	formation = "/apps/shop/formation/web"
)

// healthy answers as a platform that runs three dynos of web, and takes every order.
func healthy(req *http.Request) *http.Response {
	switch {
	case req.Method == http.MethodPatch:
		return reply(200, web3)
	case req.URL.Path == formation:
		return reply(200, web3)
	case req.URL.Path == "/apps/shop":
		return reply(200, shopInfo)
	case req.URL.Path == "/apps/shop/dynos":
		return reply(200, threeUp)
	}
	return reply(404, `{"id":"not_found","message":"Couldn't find that."}`)
}

// client returns a client of a platform.
func client(p *platform, options ...heroku.Options) *heroku.Client {
	var o heroku.Options
	if len(options) > 0 {
		o = options[0]
	}
	o.Transport = p
	return heroku.NewClient(token, &o)
}

// answering returns a platform whose answers to requests for a path are made
// by f, and which is healthy otherwise.
func answering(path string, f func(n int) (*http.Response, error)) *platform {
	var mu sync.Mutex
	n := 0
	return &platform{answer: func(req *http.Request, _ int) (*http.Response, error) {
		if req.URL.Path != path {
			return healthy(req), nil
		}
		mu.Lock()
		n++
		n := n
		mu.Unlock()
		return f(n)
	}}
}

// within returns a context with a deadline, as a tick's is.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// bubble runs f in a synctest bubble, with a fake platform that has an app "shop".
func bubble(t *testing.T, cfg herokutest.AppConfig, f func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		cfg.Name = "shop"
		app := s.AddApp(cfg)
		f(t, s, app, heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: s.URL, Transport: s.Client().Transport}))
	})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
