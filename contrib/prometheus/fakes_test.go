package autoscaleprom_test

import (
	"context"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// latency is a Prober that always measures the same.
type latency time.Duration

func (l latency) Probe(context.Context) (autoscale.Sample, error) {
	return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: time.Duration(l)}, nil
}

// platform is a Scaler that keeps its size in memory.
type platform struct {
	mu   sync.Mutex
	size int
}

func (p *platform) Capacity(context.Context) (autoscale.Capacity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return autoscale.Capacity{Desired: p.size, PendingKnown: true}, nil
}

func (p *platform) Scale(_ context.Context, size int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	return nil
}

// lease is the lease and the Store of several processes, in memory. Process 0 leads until
// lead is called.
type lease struct {
	mu      sync.Mutex
	leader  int // a process
	term    int64
	state   []byte
	saved   time.Time
	command []byte
}

func (l *lease) lead(process int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leader = process
	l.term++
}

func (l *lease) Record() (autoscale.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return autoscale.Record{Holder: "web.1", Term: l.term + 1, State: l.state, Age: now.Sub(l.saved), Command: l.command, Read: now}, true
}

func (l *lease) Save(_ context.Context, term int64, state []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if term != l.term+1 {
		return autoscale.ErrNotLeader
	}
	l.state, l.saved = state, time.Now()
	return nil
}

func (l *lease) Command(_ context.Context, command []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.command = command
	return nil
}

func (l *lease) elector(process int) autoscale.Elector { return elector{l, process} }

// elector is the Elector of one process.
type elector struct {
	lease   *lease
	process int
}

func (e elector) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (e elector) Current() (autoscale.Term, bool) {
	e.lease.mu.Lock()
	defer e.lease.mu.Unlock()
	return autoscale.Term{Holder: "web.1", Number: e.lease.term + 1}, e.lease.leader == e.process
}
