package nomad

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// A Scaler sets the count of a task group. It is safe for concurrent use.
type Scaler struct {
	client *Client
	group  Group
	fault  error

	mu       sync.Mutex // not held during a call
	job      *job       // the job when it was last read. Nil: not yet
	shortage shortage
}

var _ autoscale.Scaler = (*Scaler)(nil)

var validNamespace = regexp.MustCompile(`^[a-zA-Z0-9-]{0,128}$`)

// maxName bounds the bytes of a name.
const maxName = 500

// Scaler returns the Scaler of a task group.
func (c *Client) Scaler(g Group) *Scaler {
	faults := []error{c.calls.Fault()}
	for _, n := range []struct {
		what, name, example string
		valid               bool
	}{
		{"job", g.Job, "the id of one, as shop: `nomad job status` lists them", validJob(g.Job)},
		{"group", g.Name, "the name of one, as web: `nomad job status JOB` lists those of a job", g.Name != "" && plain(g.Name)},
		{"namespace", g.Namespace, "the name of one: `nomad namespace list` lists them", validNamespace.MatchString(g.Namespace)},
		{"region", g.Region, "the name of one, as global", plain(g.Region) && !strings.Contains(g.Region, " ")},
	} {
		if !n.valid || c.hide(n.name) != n.name {
			faults = append(faults, fmt.Errorf("the %s %s is not %s", n.what, calls.Quoted(c.hide(n.name)), n.example))
		}
	}
	s := &Scaler{client: c, group: g, fault: errors.Join(faults...)}
	if s.fault != nil { // the names may contain a token, and no call is made
		s.group = Group{Job: c.calls.Name(g.Job), Name: c.calls.Name(g.Name)}
	}
	return s
}

// plain reports whether a name is valid UTF-8, short enough, and without control characters.
func plain(name string) bool {
	return utf8.ValidString(name) && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) })
}

// validJob reports whether a job's id can be in the path of a request. It may have slashes,
// but a part such as .. would be resolved before it reaches Nomad.
func validJob(id string) bool {
	return plain(id) && !strings.Contains(id, " ") && !slices.ContainsFunc(strings.Split(id, "/"), func(part string) bool {
		return part == "" || part == "." || part == ".."
	})
}

// Validate reports everything that is wrong with the names of the Group, and with the
// arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// Capacity reads the status of the group's scale and the latest deployment of the job,
// which is two calls. If the job was changed since the last call, it reads the job too.
//
// Pending is how many of the ordered allocations do not run, or are unhealthy. Nomad does
// not know the health of an allocation until a deployment has looked at it, and after an
// order it looks at all of them again. PendingKnown is false while all allocations run but
// not all are known to be healthy. Config.BootTime then counts. Canaries are not counted.
//
// Deploying is true while a deployment of the job is active, whatever its group. It is
// false if that cannot be read. The answer to an order then shows it. Maintenance is true
// while the job is stopped. Changed is when the job was last registered or scaled.
//
// ExternalAutoscaler is Nomad Autoscaler, if the group's scaling block has a policy and is
// enabled, or if Nomad Autoscaler gave an order for the group in the last half hour.
//
// While allocations are missing for a minute or more, the job's evaluations are read too,
// once a minute, to find the limit that [Scaler.Scale] returns.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	r, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	serving := min(*r.Desired, max(0, *r.Running-*r.Unhealthy))
	c := autoscale.Capacity{
		Desired: *r.Desired, Pending: *r.Desired - serving, Changed: r.job.changed(),
		Maintenance: r.stopped, ExternalAutoscaler: r.rival(s.group.Name, time.Now()),
	}
	c.PendingKnown = c.Pending > 0 || *r.Healthy >= c.Desired
	aside, cancel := calls.Aside(ctx)
	defer cancel()
	c.Deploying = s.deploying(aside, r)
	s.look(aside, r)
	return c, nil
}

// Scale orders size allocations. It reads the size, and sends an order if that is another
// one.
//
// During a deployment of the job, Nomad takes no order, and the error is an
// [autoscale.BusyError]. Each order begins a deployment itself. That does not replace any
// allocation, and ends when all are healthy.
//
// The error is an [autoscale.LimitError]
//
//   - above the max of the group's scaling block;
//   - above what the job's other groups leave of job_max_count of the servers. This limit
//     is believed for five minutes;
//   - for five minutes after Capacity saw that allocations cannot be placed, because of a
//     quota, or because no node had room for ten minutes. No order is sent then. The limit
//     is how many allocations are placed. It is believed for the rest of the five minutes.
//     The Scaler forgets it as soon as another allocation is placed. Until the ten minutes
//     are over, larger sizes are ordered, because missing allocations are the reason for
//     which an autoscaler of the nodes adds some.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := s.call(fmt.Sprintf("scale to %d", size), "/scale", calls.Urgent)
	call.Method = http.MethodPut
	call.Body = map[string]any{
		"Count": size, "Target": map[string]string{"Group": s.group.Name},
		"Message": "ordered by autoscale", // `nomad job scaling-events` shows it
	}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	r, err := s.read(ctx, calls.Urgent)
	if err != nil || *r.Desired == size {
		return s.client.calls.Held(err)
	}
	if err := s.short(size, *r.Desired, time.Now()); err != nil {
		return err
	}
	var answer struct{ JobModifyIndex uint64 }
	if err := s.client.calls.Do(ctx, call, &answer); err != nil {
		return s.refused(ctx, err, size)
	}
	if answer.JobModifyIndex == 0 {
		return s.client.calls.Invalid(call, errors.New("the answer has no JobModifyIndex: it is not known whether the order was taken"))
	}
	return nil
}

// tooMany matches Nomad's refusal of a size above a limit, with the size and the limit. For
// job_max_count, both are those of all groups of the job together.
var tooMany = regexp.MustCompile(`group count was greater than scaling policy maximum: (\d+) > (\d+)$|` +
	`total count was greater than configured job_max_count: (\d+) > (\d+)$`)

// refused returns the result of Scale for an order that Nomad refused, or did not answer.
func (s *Scaler) refused(ctx context.Context, err error, size int) error {
	var e *platform.Error
	if !errors.As(err, &e) {
		return s.client.calls.Held(err)
	}
	if m := tooMany.FindStringSubmatch(e.Message); m != nil {
		// A number that does not fit in an int becomes the greatest int.
		ordered, _ := strconv.Atoi(cmp.Or(m[1], m[3]))
		most, _ := strconv.Atoi(cmp.Or(m[2], m[4]))
		if limit := size - (ordered - most); ordered > most && limit >= 0 {
			refused := &autoscale.LimitError{Size: size, Limit: limit, Err: err}
			if ordered != size { // the other groups leave this much, and may shrink
				refused.RetryAfter = shortageTrust
			}
			return refused
		}
	}
	if deploying(e) && e.Unsure {
		// The deployment may come from an earlier try, whose answer was lost.
		if r, err := s.read(ctx, calls.Urgent); err == nil && *r.Desired == size {
			return nil
		}
	}
	return s.client.calls.Held(err)
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which group is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "nomad.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string {
	return "group " + calls.Quoted(s.group.Name) + " of job " + calls.Quoted(s.group.Job)
}
