package status

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/advice"
	"github.com/autoscalebot/autoscale/internal/chart"
	"github.com/autoscalebot/autoscale/internal/guard"
)

// cached is what the Store and the metrics board hold, and when that was read.
type cached struct {
	mu      sync.Mutex
	reading chan struct{} // is closed when the read that is under way ends. Nil: none is
	at      time.Time
	held    held
}

type held struct {
	charts   []chart.Chart
	noPast   string
	advice   []advice.Advice
	shares   []autoscale.Share
	noShares string
}

const (
	// readEvery is how long what was read from the Store and the metrics board is shown.
	readEvery = 5 * time.Second
	// readFor is how long an answer waits for them. Then it shows what was read before.
	readFor = time.Second
	// maxShares bounds the processes that are listed.
	maxShares = 100
)

// refresh begins to read what the Store and the metrics board hold about those that are
// shown, and forgets those that the Source has no longer. The context ends when the answer
// must not wait any longer.
func (p *Page) refresh(ctx context.Context, shown []*autoscale.Autoscaler) (context.Context, context.CancelFunc) {
	here := make(map[*autoscale.Autoscaler]bool)
	for _, a := range p.source.Members() {
		here[a] = true
	}
	p.mu.Lock()
	maps.DeleteFunc(p.pasts, func(a *autoscale.Autoscaler, _ *cached) bool { return !here[a] })
	p.mu.Unlock()
	for _, a := range shown {
		p.past(a).begin(ctx, a)
	}
	return context.WithTimeout(ctx, readFor)
}

// past returns where what is read about a is kept.
func (p *Page) past(a *autoscale.Autoscaler) *cached {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.pasts[a]
	if c == nil {
		c = &cached{held: held{noPast: "The history is being read."}}
		p.pasts[a] = c
	}
	return c
}

// begin starts a read, if none is under way and what is there is old. It returns the
// channel of the read that is under way.
func (c *cached) begin(ctx context.Context, a *autoscale.Autoscaler) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading != nil || !c.at.IsZero() && time.Since(c.at) < readEvery {
		return c.reading
	}
	done := make(chan struct{})
	c.reading = done
	// A browser that leaves must not be the reason that the next one sees nothing.
	ctx = context.WithoutCancel(ctx)
	go func() {
		var h held
		err := guard.Do(func() error { h = fetch(ctx, a); return nil })
		if err != nil {
			h = held{noPast: "The history cannot be shown: " + err.Error()}
		}
		c.mu.Lock()
		c.held, c.at, c.reading = h, time.Now(), nil
		c.mu.Unlock()
		close(done)
	}()
	return done
}

// read returns what the Store and the metrics board hold about a. When ctx ends, it is what
// they held before.
func (p *Page) read(ctx context.Context, a *autoscale.Autoscaler) held {
	c := p.past(a)
	if done := c.begin(ctx, a); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

func fetch(ctx context.Context, a *autoscale.Autoscaler) (h held) {
	past, err := a.History(ctx)
	now := time.Now()
	if err != nil {
		h.noPast = "The history cannot be shown: " + err.Error()
	} else if h.charts = charts(past, now); h.charts == nil {
		h.noPast = "There is no history yet."
	} else {
		h.advice = advice.From(a.Status(), past, now)
	}
	shares, err := a.Shares(ctx)
	if err != nil {
		h.noShares = "What each process measured cannot be shown: " + err.Error()
	}
	h.shares = shares[:min(len(shares), maxShares)]
	return h
}
