package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// load returns how many requests a second people send, t after the start: quiet,
// a rise, a peak, a fall, and quiet again.
func (s script) load(t time.Duration) float64 {
	const rises, peaks, falls, ends = 0.05, 0.50, 0.60, 0.80
	x := float64(t) / float64(s.duration)
	share := min((x-rises)/(peaks-rises), 1, (ends-x)/(ends-falls))
	return s.quiet + (s.peak-s.quiet)*max(0, share)
}

// mostOpen bounds the requests under way. The router's timeout keeps them far
// below it.
const mostOpen = 1000

// people are those who use the service: they come independently of each other,
// and of how long the service makes the others wait.
type people struct {
	script script
	url    string
	client *http.Client
	open   chan struct{}

	mu     sync.Mutex
	recent []answer // of the last recentTime
	took   []time.Duration
	failed int // no answer, or an error
	slow   int // an answer, but too late
}

// An answer is what a request came to.
type answer struct {
	at, took time.Duration // since the start
	failed   bool
}

const recentTime = 5 * time.Second

func newPeople(s script, url string) *people {
	return &people{
		script: s, url: url,
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: mostOpen},
			Timeout:   s.giveUp + 2*time.Second,
		},
		open: make(chan struct{}, mostOpen),
	}
}

// come sends requests until ctx ends, as a Poisson process whose rate is the
// script's load, and returns when all are answered.
func (p *people) come(ctx context.Context, start time.Time) {
	defer p.client.CloseIdleConnections()
	var asking sync.WaitGroup
	defer asking.Wait()
	chance := rand.New(rand.NewPCG(p.script.seed, 2))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := time.Duration(0); ; {
		// Arrivals at the highest rate, of which as many are left out as the rate is lower.
		next += time.Duration(chance.ExpFloat64() / p.script.peak * float64(time.Second))
		if chance.Float64()*p.script.peak > p.script.load(next) {
			continue
		}
		timer.Reset(time.Until(start.Add(next)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case p.open <- struct{}{}:
			asking.Go(func() {
				defer func() { <-p.open }()
				p.ask(context.WithoutCancel(ctx), start)
			})
		default:
			p.note(answer{at: time.Since(start), failed: true})
		}
	}
}

func (p *people) ask(ctx context.Context, start time.Time) {
	sent := time.Now()
	a := answer{failed: true}
	if req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil); err == nil {
		if res, err := p.client.Do(req); err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
			_ = res.Body.Close()
			a.failed = err != nil || res.StatusCode != http.StatusOK
		}
	}
	a.at, a.took = time.Since(start), time.Since(sent)
	p.note(a)
}

func (p *people) note(a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent = append(p.recent, a)
	p.took = append(p.took, a.took)
	switch {
	case a.failed:
		p.failed++
	case a.took > p.script.slow:
		p.slow++
	}
}

// served is what the people got.
type served struct {
	pages, slow, failed int
	median, p95         time.Duration
}

// bad returns the share of the pages that came too late or not at all.
func (s served) bad() float64 {
	return float64(s.slow+s.failed) / float64(max(s.pages, 1))
}

// lately returns what was answered in the last seconds before now.
func (p *people) lately(now time.Duration) served {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent = slices.DeleteFunc(p.recent, func(a answer) bool { return a.at < now-recentTime })
	s := served{pages: len(p.recent)}
	var took []time.Duration
	for _, a := range p.recent {
		took = append(took, a.took)
		switch {
		case a.failed:
			s.failed++
		case a.took > p.script.slow:
			s.slow++
		}
	}
	s.median, s.p95 = quantiles(took)
	return s
}

// all returns what was answered from the start.
func (p *people) all() served {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := served{pages: len(p.took), slow: p.slow, failed: p.failed}
	s.median, s.p95 = quantiles(slices.Clone(p.took))
	return s
}

// quantiles sorts took.
func quantiles(took []time.Duration) (median, p95 time.Duration) {
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	return at(0.5), at(0.95)
}
