package dokku

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// refusal is how long Scale waits for Dokku to refuse an order. Tests shorten it.
var refusal = 10 * time.Second

// absurd is a number of processes that no answer can mean.
const absurd = 100_000

// A Scaler sets how many processes of a type an app runs. It is safe for concurrent use.
type Scaler struct {
	client   *Client
	app, typ string
	fault    error

	mu      sync.Mutex // not held during a command
	running bool       // whether an order of this Scaler is being carried out
	failure error      // the error of an order that failed after Scale had returned
}

var (
	_ autoscale.Scaler     = (*Scaler)(nil)
	_ autoscale.Redeployer = (*Scaler)(nil)
	_ autoscale.OrderTimer = (*Scaler)(nil)
)

// The names that Dokku permits have no character that is special to a shell.
var (
	validApp  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,100}$`)
	validType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
)

// Scaler returns the Scaler of a process type of an app.
func (c *Client) Scaler(app, typ string) *Scaler {
	s := &Scaler{client: c, app: app, typ: typ}
	faults := []error{c.fault}
	if !validApp.MatchString(app) {
		faults = append(faults, fmt.Errorf("the app %.60q is not a name of lower-case letters, digits, dots, dashes and underscores: `dokku apps:list` lists them", app))
		s.app = "?"
	}
	if !validType.MatchString(typ) {
		faults = append(faults, fmt.Errorf("the process type %.60q is not a name of letters, digits, dashes and underscores: give one of the Procfile's, as web", typ))
		s.typ = "?"
	}
	s.fault = errors.Join(faults...)
	return s
}

// Validate reports everything that is wrong with the names of the app and the process type,
// and with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// Redeploys returns true, because Dokku replaces all processes of the type when their
// number changes.
func (s *Scaler) Redeploys() bool { return true }

// OrderTime returns Options.OrderTime.
func (s *Scaler) OrderTime() time.Duration { return s.client.orderTime }

// Capacity asks how many processes were ordered, and whether the app has a deploy lock,
// over one connection.
//
// Deploying reports a deploy lock, or an order of this Scaler that is being carried out.
// Dokku does not report how many processes of a type serve, so PendingKnown is false and
// Config.BootTime counts.
//
// If an order failed after Scale had returned, Capacity returns that error once. Dokku
// still reports the number that was ordered.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	if err := s.left(); err != nil {
		return autoscale.Capacity{}, err
	}
	const op = "read the size"
	var size int
	var locked bool
	err := s.connected(ctx, op, func(c *conn) (err error) {
		if size, err = s.size(c, op); err != nil {
			return err
		}
		locked, err = s.locked(c, op)
		return err
	})
	if err != nil {
		return autoscale.Capacity{}, err
	}
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if err := s.left(); err != nil { // it failed in the meantime
		return autoscale.Capacity{}, err
	}
	return autoscale.Capacity{Desired: size, Deploying: locked || running}, nil
}

// left returns the error of an earlier order, once.
func (s *Scaler) left() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.failure
	s.failure = nil
	return err
}

// Scale asks for the number of processes, and orders size processes if that is another
// number.
//
// It waits up to ten seconds, or for half of the time that the context leaves, for Dokku to
// refuse. After that the order counts as accepted, Scale returns nil, and the deployment
// goes on for at most Options.OrderTime. Until it has ended, and while there is a deploy
// lock, Scale returns an [autoscale.BusyError].
func (s *Scaler) Scale(ctx context.Context, size int) error {
	op := fmt.Sprintf("scale to %d", size)
	switch {
	case s.fault != nil:
		return s.invalid(op, s.fault)
	case size < 0 || size > absurd:
		return s.invalid(op, fmt.Errorf("a size must be 0 to %d: check Max", absurd))
	case ctx.Err() != nil:
		return s.invalid(op, ctx.Err())
	case !s.begin():
		return &autoscale.BusyError{Err: s.invalid(op, errors.New("an order from before is being carried out"))}
	}
	first, cancel := context.WithTimeout(ctx, longestCall)
	done, err := s.order(first, op, size)
	cancel()
	if err != nil || done == nil {
		s.end(nil)
		return err
	}
	patience := refusal
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		s.end(nil)
		return err
	case <-timer.C:
	case <-ctx.Done():
	}
	go func() { s.end(<-done) }() // ends within Options.OrderTime
	return nil
}

func (s *Scaler) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	s.running = true
	return true
}

func (s *Scaler) end(failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.failure = false, failure
}

// order asks for the size, and starts an order if it is another one. The channel receives
// how the order ends. If there is nothing to do, there is no channel and no error.
func (s *Scaler) order(ctx context.Context, op string, size int) (<-chan error, error) {
	// The deployment goes on after the tick, but everything before it ends with the tick.
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	wait, closed, err := s.started(long, op, size)
	ended := !stop()
	if wait == nil || ended {
		cancel()
		closed()
		if ended {
			err = s.invalid(op, ctx.Err())
		}
		return nil, err
	}
	done := make(chan error, 1)
	over := time.AfterFunc(s.client.orderTime, cancel)
	go func() {
		defer cancel()
		defer over.Stop()
		defer closed()
		stdout, stderr, err := wait()
		if err != nil {
			err = failed(op, s.subject(), stdout, stderr, err)
		}
		done <- err
	}()
	return done, nil
}

// started connects, and starts an order unless size is the size already. Dokku records the
// number before it checks the deploy lock, and does not take it back. So the lock is
// checked before the order.
func (s *Scaler) started(ctx context.Context, op string, size int) (wait func() (string, string, error), closed func(), err error) {
	c, closed, err := s.client.dial(ctx)
	if err != nil {
		return nil, func() {}, failed(op, s.subject(), "", "", err)
	}
	if now, err := s.size(c, op); err != nil || now == size {
		return nil, closed, err
	}
	switch locked, err := s.locked(c, op); {
	case err != nil:
		return nil, closed, err
	case locked:
		return nil, closed, &autoscale.BusyError{Err: s.invalid(op, errors.New("the app has a deploy lock: "+lockAdvice))}
	}
	wait, err = c.start("ps:scale " + s.app + " " + s.typ + "=" + strconv.Itoa(size))
	if err != nil {
		return nil, closed, failed(op, s.subject(), "", "", err)
	}
	return wait, closed, nil
}

// CloseIdleConnections does nothing, because no connection is kept open between calls.
func (s *Scaler) CloseIdleConnections() {}

// Format writes what is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "dokku.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return s.typ + " of app " + s.app }

func (s *Scaler) invalid(op string, fault error) error {
	return &Error{Op: op, Subject: s.subject(), Err: fault}
}

// connected calls f with a connection that is closed when f returns, or when ctx ends.
func (s *Scaler) connected(ctx context.Context, op string, f func(*conn) error) error {
	if s.fault != nil {
		return s.invalid(op, s.fault)
	}
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return s.invalid(op, err)
	}
	c, closed, err := s.client.dial(ctx)
	if err != nil {
		return failed(op, s.subject(), "", "", err)
	}
	defer closed()
	if err := f(c); err != nil {
		if ctx.Err() != nil {
			return s.invalid(op, ctx.Err())
		}
		return err
	}
	return nil
}

// size asks for the number of processes.
func (s *Scaler) size(c *conn, op string) (int, error) {
	wait, err := c.start("ps:scale " + s.app)
	if err != nil {
		return 0, failed(op, s.subject(), "", "", err)
	}
	stdout, stderr, err := wait()
	if err != nil {
		return 0, failed(op, s.subject(), stdout, stderr, err)
	}
	n, err := parse(stdout, s.typ)
	if err != nil {
		return 0, s.invalid(op, err)
	}
	return n, nil
}

// locked asks whether the app has a deploy lock. apps:locked ends with 0 if it has.
func (s *Scaler) locked(c *conn, op string) (bool, error) {
	wait, err := c.start("apps:locked " + s.app)
	if err != nil {
		return false, failed(op, s.subject(), "", "", err)
	}
	stdout, stderr, err := wait()
	e := (*Error)(nil)
	if err != nil && errors.As(failed(op, s.subject(), stdout, stderr, err), &e) && e.Exit == 0 {
		return false, e // the command did not end
	}
	return err == nil, nil
}

var line = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s+([0-9]{1,7})$`)

// parse reads the output of ps:scale: a line such as "web: 2" for each process
// type.
func parse(text, typ string) (int, error) {
	size := -1
	for l := range strings.Lines(text) {
		m := line.FindStringSubmatch(strings.TrimSpace(l))
		if m == nil || m[1] != typ {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || n > absurd || size >= 0 {
			return 0, fmt.Errorf("the answer has %s processes of the type, or has the type twice", m[2])
		}
		size = n
	}
	if size < 0 {
		return 0, errors.New("the answer does not have the process type: check its name, with `dokku ps:scale`")
	}
	return size, nil
}
