package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/leader"
)

// DefaultPrefix is the prefix of the keys of leases.
const DefaultPrefix = "autoscale:lease:"

// New returns an Elector that keeps its lease on the server of client. It does no I/O and
// never fails: Validate and Run report what is wrong. If opts is nil, the default options
// are used. Options.Dialect has no effect.
//
// The Elector retries for ever if the server cannot be reached, is loading, is a read-only
// replica or refuses the password. These permanent faults end Run: a user without the
// rights, a server without scripts, and a key that holds something else.
func New(client goredis.UniversalClient, opts *leader.Options) *leader.Elector {
	return leader.New(Lease(client, ""), opts)
}

// Lease returns the [leader.Lease] that [New] passes to [leader.New], with another prefix
// of the keys. Use it if several teams share a server, each with its own keys. If prefix
// is empty, it is DefaultPrefix. The Lease is safe for concurrent use.
func Lease(client goredis.UniversalClient, prefix string) leader.Lease {
	return &lease{
		client:  client,
		prefix:  cmp.Or(prefix, DefaultPrefix),
		use:     leaseUse,
		read:    newScript(readScript),
		acquire: newScript(acquireScript),
		renew:   newScript(renewScript),
		release: newScript(releaseScript),
		save:    newScript(saveScript),
		command: newScript(commandScript),
	}
}

type lease struct {
	client goredis.UniversalClient
	prefix string
	use    use

	read, acquire, renew, release, save, command *goredis.Script
}

func (l *lease) Validate() error {
	if v := reflect.ValueOf(l.client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redis: the client is nil: make one with NewClient of go-redis and give it")
	}
	if _, ok := l.client.(*goredis.Ring); ok {
		return errors.New("redis: the client is a Ring, which looks for the lease on another server when one is down, so that two would lead: give a Client or a ClusterClient")
	}
	return nil
}

// Store identifies the server and the prefix.
func (l *lease) Store() any {
	return struct {
		client goredis.UniversalClient
		prefix string
	}{l.client, l.prefix}
}

func (l *lease) Read(ctx context.Context, name string, seen int64) (leader.Row, error) {
	row, _, err := l.row(l.run(ctx, l.read, name, seen))
	return row, err
}

func (l *lease) Acquire(ctx context.Context, c leader.Claim, last leader.Row, stale bool) (leader.Row, bool, error) {
	return l.row(l.run(ctx, l.acquire, c.Name, last.Version, c.Holder, c.TTL.Microseconds(), c.Term,
		stale, last.Holder, last.Term, last.Renewal))
}

func (l *lease) Renew(ctx context.Context, c leader.Claim, seen int64) (leader.Row, bool, error) {
	return l.row(l.run(ctx, l.renew, c.Name, seen, c.Holder, c.TTL.Microseconds(), c.Term))
}

func (l *lease) Release(ctx context.Context, c leader.Claim) error {
	_, err := l.run(ctx, l.release, c.Name, c.Holder, c.Term)
	return err
}

func (l *lease) Save(ctx context.Context, c leader.Claim, state []byte, version int64) (bool, error) {
	saved, err := l.run(ctx, l.save, c.Name, c.Holder, c.Term, string(state), version)
	return len(saved) > 0, err
}

func (l *lease) Command(ctx context.Context, name string, command []byte) error {
	_, err := l.run(ctx, l.command, name, string(command))
	return err
}

// run runs a script until ctx ends. The values of args must not change later.
func (l *lease) run(ctx context.Context, s *goredis.Script, name string, args ...any) ([]any, error) {
	values, err := until(ctx, func() ([]any, error) {
		return s.Run(ctx, l.client, []string{l.prefix + name}, args...).Slice()
	})
	return values, l.use.explain(err, l.prefix+name)
}

// until returns the result of f, or an error when ctx ends.
func until[T any](ctx context.Context, f func() (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	// The client ignores ctx while it waits for an answer. The timeouts in its own
	// options end the goroutine. It does not retry once ctx has ended.
	go func() {
		a := answer{err: errors.New("the client's goroutine was ended")}
		defer func() {
			if p := recover(); p != nil { // for example in a hook of the host's
				a = answer{err: fmt.Errorf("the client panicked: %v", p)}
			}
			answered <- a
		}()
		a.value, a.err = f()
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		return zero, fmt.Errorf("the server has not answered: %w", ctx.Err())
	}
}

// row reads the answer of a script, which is a row or nothing.
func (l *lease) row(values []any, err error) (leader.Row, bool, error) {
	if err != nil || len(values) == 0 {
		return leader.Row{}, false, err
	}
	if len(values) != 9 {
		return leader.Row{}, false, fmt.Errorf("the server answered with %d values instead of the 9 of a lease", len(values))
	}
	f := fields{values: values}
	row := leader.Row{
		Holder:  f.text(0),
		Term:    f.number(1),
		Renewal: f.number(2),
		TTL:     f.duration(3),
		Left:    f.duration(4),
		Version: f.number(5),
		State:   f.bytes(6),
		Age:     f.duration(7),
		Command: f.bytes(8),
	}
	if f.err != nil {
		return leader.Row{}, false, leader.Permanent(fmt.Errorf("the key of the lease holds something else: delete it, or use another Name or prefix: %w", f.err))
	}
	if row.Version == 0 { // nothing was saved yet
		row.Age = 0
	}
	return row, true, nil
}

// fields are the values of a script's answer, and the first error in them.
type fields struct {
	values []any
	err    error
}

func (f *fields) text(i int) string { return string(f.bytes(i)) }

func (f *fields) bytes(i int) []byte {
	if f.values[i] == nil {
		return nil
	}
	s, ok := f.values[i].(string)
	if !ok {
		f.err = cmp.Or(f.err, fmt.Errorf("value %d is a %T", i, f.values[i]))
	}
	return []byte(s)
}

func (f *fields) number(i int) int64 {
	n, err := strconv.ParseInt(f.text(i), 10, 64)
	f.err = cmp.Or(f.err, err)
	return n
}

// duration reads microseconds.
func (f *fields) duration(i int) time.Duration {
	const most = int64(1<<63-1) / int64(time.Microsecond)
	return time.Duration(max(-most, min(f.number(i), most))) * time.Microsecond
}
