package main

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// A router sends each request to one of the dynos that are up, at random, as
// Heroku's does: it knows nothing of how busy they are.
type router struct {
	platform *platform

	mu     sync.Mutex
	chance *rand.Rand
}

func newRouter(p *platform, seed uint64) *router {
	return &router{platform: p, chance: rand.New(rand.NewPCG(seed, 1))}
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, proxy := rt.choose()
	if d == nil {
		http.Error(w, "no dyno is up", http.StatusServiceUnavailable)
		return
	}
	defer d.busy.Add(-1)
	ctx, cancel := context.WithTimeout(r.Context(), rt.platform.script.giveUp)
	defer cancel()
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// choose picks a dyno and counts the request as its.
func (rt *router) choose() (*dyno, *httputil.ReverseProxy) {
	p := rt.platform
	p.mu.Lock()
	defer p.mu.Unlock()
	var serving []*dyno
	for _, d := range p.dynos {
		if d.state == up {
			serving = append(serving, d)
		}
	}
	if len(serving) == 0 {
		return nil, nil
	}
	rt.mu.Lock()
	d := serving[rt.chance.IntN(len(serving))]
	rt.mu.Unlock()
	d.busy.Add(1)
	return d, d.proxy
}

// newProxy returns what passes requests on to one dyno.
func newProxy(addr string) *httputil.ReverseProxy {
	target := &url.URL{Scheme: "http", Host: addr}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "the dyno did not answer", http.StatusServiceUnavailable)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}
