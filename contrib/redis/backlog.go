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
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// Backlog is an [autoscale.Prober] for job queues in Redis. It measures how many jobs wait
// in all of Keys together, for the rule [github.com/autoscalebot/autoscale/rule.Backlog].
// By default, these are the keys of some queues:
//
//	Celery   Keys: redis.CeleryKeys("celery")
//	         Busy: "unacked"
//	Sidekiq  Keys: "queue:default", "schedule", "retry"
//	asynq    Keys: "asynq:{default}:pending", "asynq:{default}:scheduled", "asynq:{default}:retry"
//	         Busy: "asynq:{default}:active"
//	BullMQ   Keys: "bull:mail:wait", "bull:mail:prioritized", "bull:mail:delayed"
//	         Busy: "bull:mail:active"
//
// The type of a key decides how its jobs are counted:
//
//   - In a list or a set, each element is a job. BullMQ's markers, such as 0:0, do not
//     count. Backlog looks for them in keys that end in :wait, :paused or :active and have
//     at most 128 elements.
//   - In a sorted set, each member that is due is a job. A member is due unless its score
//     is a time in the future, by the server's clock. The size of the score shows whether
//     it is in seconds since 1970, as Sidekiq and asynq write it, in milliseconds, or in
//     1/4096 of a millisecond, as BullMQ writes it. A score that is too small for a time,
//     such as a priority, counts as due. In a key that ends in :prioritized, as in BullMQ,
//     all members wait.
//   - In a stream, each entry that its consumer groups have not read yet is a job. That
//     needs Redis 7. If the stream has no group, all of its entries are jobs.
//   - A hash counts only in Busy.
//
// Redis deletes a queue with its last job, so a key that does not exist has no jobs. A
// misspelled key looks the same, so check that the keys count jobs before you let Backlog
// remove processes. Backlog cannot measure queues that keep jobs in other ways, such as one
// key for each job. Jobs of BullMQ that wait for their children do not count.
//
// Probe returns an error if the server does not answer before ctx ends, or cannot count one
// of the keys. A probe is one round trip, to each of the servers in Redis Cluster. Backlog
// does not close the client. The user needs only these rights to the keys:
//
//	+eval +type +time +llen +lrange +scard +zcard +zcount +hlen +xlen +xinfo
//
// Backlog is safe for concurrent use.
type Backlog struct {
	Client goredis.UniversalClient // required
	Keys   []string                // the keys of the jobs that wait, each once; required

	// Busy are the keys of the jobs that workers have taken and not finished, which is
	// measured as SignalBusy. Here every member of a sorted set counts. In a stream, the
	// entries that were read but not acknowledged count. Empty: not measured. rule.Backlog
	// with Finish then never removes a process.
	//
	// Celery's "unacked" is for all queues of a database together. A worker of Celery takes
	// more tasks than it works on: worker_prefetch_multiplier times as many. It takes tasks
	// with an ETA long before that time. Without task_acks_late it acknowledges a task when
	// it begins, so the tasks under way do not count. Sidekiq has no such key.
	Busy []string
}

// Validate reports what is wrong with the settings. It does no I/O.
func (b Backlog) Validate() error {
	var errs []error
	if v := reflect.ValueOf(b.Client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		errs = append(errs, errors.New("Backlog.Client is nil: make one with NewClient of go-redis and give it"))
	}
	if len(b.Keys) == 0 {
		errs = append(errs, errors.New("Backlog.Keys is empty: give the keys of the jobs that wait, as CeleryKeys(\"celery\")"))
	}
	for _, f := range []struct {
		name string
		keys []string
	}{{"Keys", b.Keys}, {"Busy", b.Busy}} {
		for i, key := range f.keys {
			switch {
			case key == "":
				errs = append(errs, fmt.Errorf("redis.Backlog.%s[%d] is empty: leave it out", f.name, i))
			case slices.Contains(f.keys[:i], key):
				errs = append(errs, fmt.Errorf("redis.Backlog.%s[%d] is %q once more: its jobs would count twice", f.name, i, key))
			}
		}
	}
	return errors.Join(errs...)
}

// Probe asks the server once.
func (b Backlog) Probe(ctx context.Context) (autoscale.Sample, error) {
	if err := b.Validate(); err != nil {
		return autoscale.Sample{}, fmt.Errorf("redis: backlog: %w", err)
	}
	counts, err := until(ctx, func() ([]goredis.Cmder, error) {
		pipe := b.Client.Pipeline()
		for _, key := range b.Keys {
			pipe.Eval(ctx, countScript, []string{key}, "waiting")
		}
		for _, key := range b.Busy {
			pipe.Eval(ctx, countScript, []string{key}, "busy")
		}
		cmds, err := pipe.Exec(ctx)
		if len(cmds) == 0 && err == nil {
			err = errors.New("the client sent nothing")
		}
		return cmds, err
	})
	for i, cmd := range counts {
		if cmd.Err() != nil {
			return autoscale.Sample{}, fmt.Errorf("redis: backlog: nothing was measured: %w", b.explain(cmd.Err(), i))
		}
	}
	if err != nil {
		return autoscale.Sample{}, fmt.Errorf("redis: backlog: nothing was measured: %w", outbound.Redact(err))
	}
	s := autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalBacklog}
	if len(b.Busy) > 0 {
		s.Signals |= autoscale.SignalBusy
	}
	for i, cmd := range counts {
		n, ok := cmd.(*goredis.Cmd).Val().(int64)
		switch {
		case !ok || n < 0:
			return autoscale.Sample{}, fmt.Errorf("redis: backlog: nothing was measured: the server answered for the key %q with something other than a number of jobs", b.key(i))
		case i < len(b.Keys):
			s.Backlog += float64(n)
		default:
			s.Busy += float64(n)
		}
	}
	return s, nil
}

// key returns the key of the i-th command.
func (b Backlog) key(i int) string {
	if i < len(b.Keys) {
		return b.Keys[i]
	}
	return b.Busy[i-len(b.Keys)]
}

// explain adds to the error of the i-th command what to do about it.
func (b Backlog) explain(err error, i int) error {
	key, field := b.key(i), "Keys"
	if i >= len(b.Keys) {
		field = "Busy"
	}
	clean := outbound.Redact(err)
	var reply goredis.Error
	if !errors.As(err, &reply) { // the error does not come from the server
		return clean
	}
	said := func(words string) bool { return strings.Contains(reply.Error(), words) }
	switch {
	case said("NOPERM"), said("The user executing the script can't"), said("ACL failure in script"):
		return fmt.Errorf("the user may not count the jobs of the key %q: grant it ~%s %s: %w", key, key, countRights, clean)
	case said("WRONGTYPE"):
		return fmt.Errorf("the key %q holds no jobs: check Backlog.%s: %w", key, field, clean)
	case said("MOVED "):
		return fmt.Errorf("the key %q is on another server of a cluster: make the client with NewClusterClient: %w", key, clean)
	}
	return clean
}

// Celery uses Redis through kombu. A task of priority 0, which is the highest, waits in the
// list that has the queue's name. A task of a lower priority waits in a list whose key ends
// in the step of the priority.
// https://github.com/celery/kombu/blob/v5.2.4/kombu/transport/redis.py
const celerySeparator = "\x06\x16"

var celerySteps = []int{0, 3, 6, 9}

// CeleryKeys returns the keys of the lists in which the tasks of one of Celery's queues
// wait, for [Backlog.Keys]. The queue is "celery" by default. There is a list for each of
// the priority_steps in Celery's broker_transport_options. Pass steps only if they are not
// the default of 0, 3, 6, 9. If there is a global_keyprefix, put it before the queue's
// name, as in CeleryKeys("prefix"+"celery"), and before "unacked".
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
