package redis

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
)

// Backlog is an [autoscale.Prober] for queues that are lists in Redis: it measures
// how many jobs wait in all of them together, for the rule [github.com/autoscalebot/autoscale/rule.Backlog].
//
//	redis.Backlog{Client: client, Keys: redis.CeleryKeys("celery"), Unacked: "unacked"}
//	redis.Backlog{Client: client, Keys: []string{"queue:default", "queue:mailers"}} // Sidekiq
//
// A key that does not exist is a list that is empty, as Redis deletes a list with
// its last element: a name that is misspelled looks like a queue without jobs.
// Where processes may be removed on its word, see once that it counts.
//
// Nothing was measured, and Probe returns an error, when the server does not
// answer before ctx ends, or cannot say the length of every key. A probe is one
// round trip, to each of the servers in Redis Cluster; the client is not closed.
// The user needs the rights +llen, and +hlen for Unacked. It is safe for
// concurrent use.
type Backlog struct {
	Client goredis.UniversalClient // required
	Keys   []string                // of the lists, each once; required

	// Unacked is the key of a hash of the jobs that workers have taken and not
	// acknowledged, which is measured as SignalBusy. Empty: not measured.
	//
	// It is "unacked" for Celery, for all the queues of a database together. A
	// worker of Celery takes more tasks than it works on, worker_prefetch_multiplier
	// times, and those that have an ETA long before it. Without task_acks_late
	// it acknowledges a task as it begins to work on it, so that those under way
	// are not among them.
	Unacked string
}

// Validate reports what is wrong with the settings. It does no I/O.
func (b Backlog) Validate() error {
	var errs []error
	if v := reflect.ValueOf(b.Client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		errs = append(errs, errors.New("Backlog.Client is nil: make one with NewClient of go-redis and give it"))
	}
	if len(b.Keys) == 0 {
		errs = append(errs, errors.New("Backlog.Keys is empty: give the keys of the lists in which jobs wait, as CeleryKeys(\"celery\")"))
	}
	for i, key := range b.Keys {
		switch {
		case key == "":
			errs = append(errs, fmt.Errorf("Backlog.Keys[%d] is empty: leave it out", i))
		case slices.Contains(b.Keys[:i], key):
			errs = append(errs, fmt.Errorf("Backlog.Keys[%d] is %q once more: its jobs would count twice", i, key))
		}
	}
	return errors.Join(errs...)
}

// Probe asks the server once.
func (b Backlog) Probe(ctx context.Context) (autoscale.Sample, error) {
	if err := b.Validate(); err != nil {
		return autoscale.Sample{}, fmt.Errorf("redis: backlog: %w", err)
	}
	lengths, err := until(ctx, func() ([]goredis.Cmder, error) {
		pipe := b.Client.Pipeline()
		for _, key := range b.Keys {
			pipe.LLen(ctx, key)
		}
		if b.Unacked != "" {
			pipe.HLen(ctx, b.Unacked)
		}
		cmds, err := pipe.Exec(ctx)
		if len(cmds) == 0 && err == nil {
			err = errors.New("the client sent nothing")
		}
		return cmds, err
	})
	for i, cmd := range lengths {
		if cmd.Err() != nil {
			return autoscale.Sample{}, fmt.Errorf("redis: backlog: nothing was measured: %w", b.explain(cmd.Err(), i))
		}
	}
	if err != nil {
		return autoscale.Sample{}, fmt.Errorf("redis: backlog: nothing was measured: %w", redact(err))
	}
	s := autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalBacklog}
	for i, cmd := range lengths {
		n := float64(cmd.(*goredis.IntCmd).Val())
		if i < len(b.Keys) {
			s.Backlog += n
		} else {
			s.Signals |= autoscale.SignalBusy
			s.Busy = n
		}
	}
	return s, nil
}

// explain says what to do about the error of the i-th command.
func (b Backlog) explain(err error, i int) error {
	key, field, thing, right := b.Unacked, "Unacked", "hash", "+hlen"
	if i < len(b.Keys) {
		key, field, thing, right = b.Keys[i], "Keys", "list", "+llen"
	}
	clean := redact(err)
	var reply goredis.Error
	errors.As(err, &reply)
	switch {
	case reply == nil: // not the server's
	case strings.HasPrefix(reply.Error(), "WRONGTYPE"):
		return fmt.Errorf("the key %q holds no %s: check Backlog.%s: %w", key, thing, field, clean)
	case strings.HasPrefix(reply.Error(), "NOPERM"):
		return fmt.Errorf("the user may not ask for the length of the key %q: grant it ~%s %s: %w", key, key, right, clean)
	case strings.HasPrefix(reply.Error(), "MOVED "):
		return fmt.Errorf("the key %q is on another server of a cluster: make the client with NewClusterClient: %w", key, clean)
	}
	return clean
}

// The layout of kombu, by which Celery uses Redis: a task of priority 0, which is
// the highest there, waits in the list that has the queue's name, and another in
// one for the step of its priority, whose key ends in that.
// https://github.com/celery/kombu/blob/v5.2.4/kombu/transport/redis.py
const celerySeparator = "\x06\x16"

var celerySteps = []int{0, 3, 6, 9}

// CeleryKeys returns the keys of the lists in which the tasks of one of Celery's
// queues wait, by default "celery", for [Backlog.Keys]. There is a list for each
// of the priority_steps among Celery's broker_transport_options: steps, which is
// by default 0, 3, 6, 9 and only to be given where Celery has others. A
// global_keyprefix stands before the queue's name: CeleryKeys("prefix"+"celery").
// It also stands before "unacked".
func CeleryKeys(queue string, steps ...int) []string {
	if len(steps) == 0 {
		steps = celerySteps
	}
	keys := make([]string, len(steps))
	for i, step := range steps {
		keys[i] = queue
		if step != 0 {
			keys[i] += celerySeparator + strconv.Itoa(step)
		}
	}
	return keys
}
