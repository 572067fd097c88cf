package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// deletionCost is the annotation that a ReplicaSet reads before it deletes pods: those
// with a lower cost go first. Pods without it have the cost 0.
const deletionCost = "controller.kubernetes.io/pod-deletion-cost"

const (
	leaderCost = "100"

	// protectEvery is how often it is looked whether this process leads.
	protectEvery = time.Second

	// protectRest is how long a failed request is not sent again.
	protectRest = 30 * time.Second
)

// ProtectOptions are the settings of [Client.ProtectLeader].
type ProtectOptions struct {
	// Pod is the name of the pod that this process runs in. Defaults to the environment
	// variable POD_NAME, which the downward API sets, or else to the name of the host.
	Pod string
}

// A ProtectedElector is an Elector that marks the leader's pod. See
// [Client.ProtectLeader].
type ProtectedElector struct {
	elector autoscale.Elector
	client  *Client
	pod     string

	mu  sync.Mutex
	err error
}

// ProtectLeader returns an Elector that is e, and also has the pod of the process that
// leads stopped last when a Deployment becomes smaller. Otherwise each decrease may hit
// the leader, and the next one has to begin. It sets the annotation
// controller.kubernetes.io/pod-deletion-cost of this process's own pod to 100 while this
// process leads, and removes it when it does not. ReplicaSets heed the annotation since
// Kubernetes 1.22; StatefulSets do not.
//
//	Elector: client.ProtectLeader(elector, nil),
//
// It wraps the Elector because that alone knows at once, without a request, who leads. A
// failed request is sent again after half a minute, and never holds the Elector up:
// [ProtectedElector.Err] returns its error. The service account must be allowed to patch
// pods, which RBAC cannot limit to one pod whose name is not known in advance. So leave it
// out if nobody but people may change pods. If opts is nil, the default options are used.
func (c *Client) ProtectLeader(e autoscale.Elector, opts *ProtectOptions) *ProtectedElector {
	var o ProtectOptions
	if opts != nil {
		o = *opts
	}
	return &ProtectedElector{elector: e, client: c, pod: o.Pod}
}

// Validate reports everything that is wrong with the Elector, with the name of the pod and
// with the [Client].
func (p *ProtectedElector) Validate() error {
	var faults []error
	if p.elector == nil {
		faults = append(faults, errors.New("the Elector of ProtectLeader is nil"))
	} else if v, ok := part.As[autoscale.Validator](p.elector); ok {
		faults = append(faults, v.Validate())
	}
	if pod := p.podName(); !validName.MatchString(pod) {
		faults = append(faults, fmt.Errorf("the pod's name %s is not valid: set POD_NAME by the downward API, or ProtectOptions.Pod", calls.Quoted(pod)))
	}
	return errors.Join(append(faults, p.client.Validate())...)
}

func (p *ProtectedElector) podName() string {
	if name := cmp.Or(p.pod, os.Getenv("POD_NAME")); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}

// Run runs the Elector, and marks the pod while this process leads.
func (p *ProtectedElector) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var marking sync.WaitGroup
	marking.Go(func() {
		err := guard.Do(func() error { p.mark(watching); return nil }) // the Elector may panic
		if err != nil {
			p.keep(err)
		}
	})
	defer marking.Wait()
	defer stop()
	return p.elector.Run(ctx)
}

// Current is that of the Elector.
func (p *ProtectedElector) Current() (autoscale.Term, bool) { return p.elector.Current() }

// Unwrap returns the Elector, so that its other methods are found.
func (p *ProtectedElector) Unwrap() autoscale.Elector { return p.elector }

// Err returns why the pod could not be marked the last time, or nil.
func (p *ProtectedElector) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *ProtectedElector) keep(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Format writes what is wrapped, for every verb.
func (p *ProtectedElector) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kubernetes.ProtectedElector(%v)", p.elector)
}

// mark keeps the annotation as it should be, until ctx ends.
func (p *ProtectedElector) mark(ctx context.Context) {
	ticker := time.NewTicker(protectEvery)
	defer ticker.Stop()
	var marked, known bool // known: false at first, as the process before may have left a mark
	var next time.Time
	for {
		_, leads := p.elector.Current()
		if now := time.Now(); (leads != marked || !known) && !now.Before(next) {
			err := p.annotate(ctx, leads)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				marked, known = leads, true
			} else {
				next = now.Add(protectRest)
			}
			p.keep(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *ProtectedElector) annotate(ctx context.Context, leads bool) error {
	var cost any // null removes the annotation
	if leads {
		cost = leaderCost
	}
	pod := p.podName()
	return p.client.do(ctx, call{
		op: "mark the leader's pod", subject: "pod " + pod, method: http.MethodPatch, contentType: mergePatch,
		api: "v1", resource: "pods", name: pod, once: true,
	}, map[string]any{"metadata": map[string]any{"annotations": map[string]any{deletionCost: cost}}}, nil)
}
