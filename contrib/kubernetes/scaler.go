package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
)

// ScalerOptions are the settings of a [Scaler]. The zero value is ready to use.
type ScalerOptions struct {
	// Namespace is where the target is. Defaults to that of the [Client].
	Namespace string
}

// A Scaler sets the size of one object that has a scale subresource. It is safe for
// concurrent use, and so are all Scalers of one [Client].
type Scaler struct {
	client       *Client
	opts         ScalerOptions
	target       string // as given
	plural, name string
	kind         kind // zero: to be looked up
	fault        error

	mu       sync.Mutex // guards the fields below; not held during a request
	found    kind
	last     reading
	manager  Manager
	shortage shortage
}

// A reading is what was read last.
type reading struct {
	size    int
	version string // empty: nothing was read yet
}

var (
	_ autoscale.Scaler     = (*Scaler)(nil)
	_ autoscale.IdleCloser = (*Scaler)(nil)
)

// Scaler returns the Scaler of one object, which target names by its kind and name:
//
//	deployment/web
//	statefulset/web
//	replicaset/web
//	rollout/web               of Argo Rollouts
//	workers.example.com/web   of any other resource that has a scale subresource
//
// The last form is a resource's plural with its group. Its version and its kind are looked
// up once, by two requests that every account may send. If opts is nil, the default
// options are used. Later changes of *opts have no effect.
//
// Scaler does no I/O: what is wrong with its arguments is reported by [Scaler.Validate]
// and by every call.
func (c *Client) Scaler(target string, opts *ScalerOptions) *Scaler {
	s := &Scaler{client: c, target: target}
	if c == nil || c.source == nil {
		s.fault = errNoClient
		return s
	}
	s.target = c.hidden.hide(target)
	if opts != nil {
		s.opts = *opts
	}
	s.kind, s.plural, s.name, s.fault = parseTarget(s.target)
	if s.opts.Namespace != "" && !validNamespace.MatchString(s.opts.Namespace) {
		s.fault = errors.Join(s.fault, fmt.Errorf("ScalerOptions.Namespace %s is not a name of at most 63 lower-case letters, digits and dashes: `kubectl get namespaces` lists them", calls.Quoted(s.opts.Namespace)))
	}
	return s
}

// Validate reports everything that is wrong with the target, and with the options and the
// configuration of the [Client]. It reads the files of the configuration, and sends no
// request.
func (s *Scaler) Validate() error {
	if errors.Is(s.fault, errNoClient) {
		return s.fault
	}
	return errors.Join(s.fault, s.client.Validate())
}

var errNoClient = errors.New("the Client was not made: use kubernetes.InCluster, FromKubeconfig or FromConfig")

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes what is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kubernetes.Scaler(%s)", s.subject())
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) namespace() string { return cmp.Or(s.opts.Namespace, s.client.Namespace()) }

func (s *Scaler) subject() string {
	if s.fault != nil {
		return "target " + calls.Quoted(s.target)
	}
	subject := s.target
	if namespace := s.namespace(); namespace != "" {
		subject += " in namespace " + namespace
	}
	return subject
}

// Capacity reads the object, which is one request.
//
// Desired is spec.replicas. Pending is Desired minus the ready pods. During a rollout
// more pods exist than are ordered, and the excess does not count. PendingKnown is false
// until the controller has seen the newest spec. For kinds other than Deployment,
// StatefulSet, ReplicaSet and Rollout, the scale subresource is read, which counts the
// pods that exist, ready or not. Pending is then the number of pods that do not exist
// yet, and PendingKnown is false.
//
// Changed is when spec.replicas was last set by a program whose time the API keeps. The
// API keeps no time of an order by the scale subresource, and Changed is then zero.
//
// ExternalAutoscaler names one of these:
//
//   - A HorizontalPodAutoscaler whose scaleTargetRef names the object, even if its
//     metrics fail, because it still keeps the size within its bounds. At a size of 0 it
//     does not count, because that switches it off.
//   - KEDA, if a ScaledObject names the object, at any size, unless an annotation pauses
//     it altogether.
//   - Knative, if the object belongs to a Knative Service.
//
// Autoscalers are listed at most every 25 seconds, for all Scalers of the Client in one
// namespace together. If they may not be listed, or the cluster has no KEDA, they are
// listed every five minutes. If listing them fails, that is not an error: the last list
// counts for ten minutes, and after that no autoscaler is known.
//
// If pods have not become ready for ten minutes, the pods are listed at most every
// minute, to learn whether there are too few nodes. See [Scaler.Scale].
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	if s.fault != nil {
		return autoscale.Capacity{}, s.invalid("read the size", s.fault)
	}
	k, err := s.kindOf(ctx)
	if err != nil {
		return autoscale.Capacity{}, err
	}
	w, err := s.read(ctx, k)
	if err != nil {
		return autoscale.Capacity{}, s.answered(err, 0)
	}
	c := w.capacity()
	s.look(ctx, w, c)
	c.ExternalAutoscaler = s.externalAutoscaler(ctx, k, w)
	return c, nil
}

// Scale orders size pods by the scale subresource. The order names the version of the
// object that was read last, so that the API server accepts it only if nothing has
// changed since. If something has changed, the object is read again. If somebody else
// changed its size, the order is not carried out, and the error wraps an
// [autoscale.BusyError]. The next tick then decides again. If something other than the
// size changed, the order is sent again, up to five times.
//
// The error also wraps an autoscale.BusyError if the API server sheds load (429).
//
// The API server accepts a size for which there is no room. The pods are then missing, or
// pending. So after Capacity saw one of the following, Scale refuses a size above the
// last one read with an [autoscale.LimitError], and sends nothing, for five minutes:
//
//   - Pods cannot be created, because of a quota or a policy of the cluster, and none has
//     become ready for a minute. A Deployment and a ReplicaSet report that as the
//     condition ReplicaFailure. The limit is the number of pods that exist.
//   - Pods cannot be scheduled, because no node has room for them, and none has become
//     ready for ten minutes. The limit is the number of pods that could be scheduled.
//     Until then, larger sizes are ordered, because a cluster autoscaler adds nodes only
//     for pods that are pending.
//
// The limit is forgotten as soon as another pod becomes ready. An [autoscale.Autoscaler]
// remembers it for those five minutes.
//
// A refusal of a size above the maximum of a CustomResourceDefinition is a LimitError too.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	op := fmt.Sprintf("scale to %d", size)
	switch {
	case s.fault != nil:
		return s.invalid(op, s.fault)
	case size < 0:
		return s.invalid(op, errors.New("a size must not be negative"))
	case size > math.MaxInt32:
		return s.invalid(op, fmt.Errorf("a size is at most %d", math.MaxInt32))
	}
	if err := s.short(size, time.Now()); err != nil {
		return err
	}
	k, err := s.kindOf(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last.version == "" {
		w, err := s.read(ctx, k)
		if err != nil {
			return s.answered(err, size)
		}
		last = reading{w.replicas(), w.Metadata.ResourceVersion}
	}
	err = s.put(ctx, k, op, size, last.version, false)
	// Controllers write the object's status several times a second during a rollout.
	for range rounds {
		if !isStatus(err, http.StatusConflict) {
			break
		}
		w, readErr := s.read(ctx, k)
		switch {
		case readErr != nil:
			return s.answered(readErr, size)
		case w.replicas() == size:
			return nil // ours, if the answer was lost, or somebody else's: it is done
		case w.replicas() != last.size:
			return &autoscale.BusyError{Err: fmt.Errorf("kubernetes: %s: %s: the order was not sent again, because %s has changed the size from %d to %d: it is decided again", op, s.subject(), cmp.Or(w.manager().Name, "somebody else"), last.size, w.replicas())}
		}
		err = s.put(ctx, k, op, size, w.Metadata.ResourceVersion, false)
	}
	return s.answered(err, size)
}

// CheckOrder reports why an order would be refused, or nil. It orders the present size as a dry
// run of Kubernetes: the API server checks the rights and asks its admission webhooks, and
// changes nothing. The command autoscalebot check calls it.
func (s *Scaler) CheckOrder(ctx context.Context) error {
	const op = "try an order in a dry run"
	if s.fault != nil {
		return s.invalid(op, s.fault)
	}
	k, err := s.kindOf(ctx)
	if err != nil {
		return err
	}
	w, err := s.read(ctx, k)
	if err != nil {
		return err
	}
	return s.put(ctx, k, op, w.replicas(), w.Metadata.ResourceVersion, true)
}

// read reads the object, or its Scale, and keeps what Scale needs of it.
func (s *Scaler) read(ctx context.Context, k kind) (*workload, error) {
	call := call{op: "read the size", subject: s.subject(), api: k.api, resource: k.resource, name: s.name, namespace: s.opts.Namespace}
	name := k.name
	if !k.known {
		call.sub, name = "scale", "Scale"
	}
	var w workload
	if err := s.client.do(ctx, call, nil, &w); err != nil {
		return nil, err
	}
	if err := w.check(name, s.name); err != nil {
		return nil, s.client.unfit(call, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = reading{w.replicas(), w.Metadata.ResourceVersion}
	s.manager = w.manager()
	return &w, nil
}

// put orders a size if the object still has that version.
func (s *Scaler) put(ctx context.Context, k kind, op string, size int, version string, dryRun bool) error {
	call := call{
		op: op, subject: s.subject(), method: http.MethodPut,
		api: k.api, resource: k.resource, name: s.name, sub: "scale", namespace: s.opts.Namespace,
		query: url.Values{"fieldManager": {FieldManager}},
	}
	if dryRun {
		call.query.Set("dryRun", "All")
	}
	order := map[string]any{
		"apiVersion": "autoscaling/v1",
		"kind":       "Scale",
		"metadata":   meta{Name: s.name, Namespace: s.namespace(), ResourceVersion: version},
		"spec":       map[string]int{"replicas": size},
	}
	var w workload
	if err := s.client.do(ctx, call, order, &w); err != nil {
		return err
	}
	if err := w.check("Scale", s.name); err != nil {
		return s.client.unfit(call, err)
	}
	s.mu.Lock()
	s.last = reading{w.replicas(), w.Metadata.ResourceVersion}
	s.mu.Unlock()
	if n := w.replicas(); n != size {
		return s.client.unfit(call, fmt.Errorf("the answer says that the size is %d: an admission webhook of the cluster may have changed it", n))
	}
	return nil
}

// maximum is how the API server says the maximum of a schema.
var maximum = regexp.MustCompile(`should be less than or equal to (\d{1,9})\b`)

// answered returns err as the kind of error that an Autoscaler knows.
func (s *Scaler) answered(err error, size int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Status {
	case http.StatusConflict, http.StatusTooManyRequests:
		return &autoscale.BusyError{RetryAfter: e.RetryAfter, Err: e, Unsure: e.unsure}
	case http.StatusUnprocessableEntity:
		if m := maximum.FindStringSubmatch(e.Message); m != nil {
			if limit, _ := strconv.Atoi(m[1]); limit < size {
				return &autoscale.LimitError{Size: size, Limit: limit, Err: e}
			}
		}
	}
	return err
}

func (s *Scaler) invalid(op string, fault error) error {
	return fmt.Errorf("kubernetes: %s: %s: %w", op, s.subject(), fault)
}

func isStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}
