package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// rivalTrust is for how long after an order by Nomad Autoscaler it counts as at
	// work.
	rivalTrust = 30 * time.Minute
)

// A scaleStatus is what Nomad reports about the sizes of a job's groups.
type scaleStatus struct {
	JobID          string
	JobCreateIndex uint64
	JobModifyIndex uint64 // the job's ModifyIndex, in spite of its name
	JobStopped     bool
	TaskGroups     map[string]*groupStatus
}

// A groupStatus counts the allocations of a group that have not ended. Canaries are not
// among them.
type groupStatus struct {
	Desired, Placed, Running, Healthy, Unhealthy *int
	Events                                       []struct {
		Time int64 // in nanoseconds since 1970
		Meta map[string]json.RawMessage
	}
}

// A job has the fields that are read from a job. They change less often than its status.
type job struct {
	ID               string
	Type             string
	SubmitTime       int64
	ModifyIndex      uint64
	Periodic         json.RawMessage
	ParameterizedJob json.RawMessage
	TaskGroups       []struct {
		Name    string
		Scaling *struct {
			Min, Max *int64
			Enabled  bool
			Policy   map[string]json.RawMessage
		}
	}
}

// A reading is what Capacity and Scale need from Nomad's answers.
type reading struct {
	*groupStatus
	created uint64 // the job's CreateIndex
	stopped bool
	job     *job
}

// read reads the size of the group. If the job has changed, it reads the job too.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*reading, error) {
	call := s.call("read the size", "/scale", u)
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	var status scaleStatus
	if err := s.client.calls.Do(ctx, call, &status); err != nil {
		return nil, err
	}
	if err := s.check(&status); err != nil {
		return nil, s.client.calls.Invalid(call, err)
	}
	r := &reading{status.TaskGroups[s.group.Name], status.JobCreateIndex, status.JobStopped, nil}
	s.mu.Lock()
	r.job = s.job
	s.mu.Unlock()
	if r.job != nil && r.job.ModifyIndex == status.JobModifyIndex {
		return r, nil
	}
	call = s.call("read the job", "", calls.Urgent)
	r.job = new(job)
	if err := s.client.calls.Do(ctx, call, r.job); err != nil {
		return nil, err
	}
	if err := s.checkJob(r.job); err != nil {
		return nil, s.client.calls.Invalid(call, err)
	}
	s.mu.Lock()
	s.job = r.job
	s.mu.Unlock()
	return r, nil
}

// check returns an error that names what is missing in an answer.
func (s *Scaler) check(v *scaleStatus) error {
	switch {
	case v.JobID == "" || v.TaskGroups == nil:
		return errors.New("the answer has no JobID or no TaskGroups: it is not the status of a job's scale")
	case v.JobID != s.group.Job:
		return fmt.Errorf("the answer is about the job %s", calls.Quoted(s.client.calls.Name(v.JobID)))
	}
	g := v.TaskGroups[s.group.Name]
	if g == nil {
		names := slices.Sorted(maps.Keys(v.TaskGroups))
		return fmt.Errorf("the job has no such group: it has %s", outbound.Line(s.client.hide(strings.Join(names, ", ")), 100))
	}
	for _, f := range []struct {
		name  string
		value *int
	}{{"Desired", g.Desired}, {"Placed", g.Placed}, {"Running", g.Running}, {"Healthy", g.Healthy}, {"Unhealthy", g.Unhealthy}} {
		if f.value == nil {
			return fmt.Errorf("the answer has no number %s", f.name)
		}
		if *f.value < 0 || *f.value > calls.MaxSize {
			return fmt.Errorf("the answer has the number %s of %d", f.name, *f.value)
		}
	}
	return nil
}

// checkJob returns an error if the size of a job cannot be set.
func (s *Scaler) checkJob(j *job) error {
	present := func(block json.RawMessage) bool { return len(block) > 0 && string(block) != "null" }
	switch {
	case j.ID == "":
		return errors.New("the answer has no ID: it is not a job")
	case j.ID != s.group.Job:
		return fmt.Errorf("the answer is about the job %s", calls.Quoted(s.client.calls.Name(j.ID)))
	case j.Type != "service":
		return fmt.Errorf("the type of the job is %s: only the groups of a job of the type service have a size that Nomad keeps", calls.Quoted(s.client.calls.Name(j.Type)))
	case present(j.Periodic), present(j.ParameterizedJob):
		return errors.New("the job is periodic or parameterized, and has no allocations of its own: there is nothing to scale")
	}
	return nil
}

// changed returns when the job was last registered or scaled.
func (j *job) changed() time.Time {
	if j.SubmitTime <= 0 || j.SubmitTime == math.MaxInt64 {
		return time.Time{}
	}
	return time.Unix(0, j.SubmitTime)
}

// rival names Nomad Autoscaler if it has a policy for the group, or has given an order
// lately.
func (r *reading) rival(group string, now time.Time) string {
	for _, g := range r.job.TaskGroups {
		if v := g.Scaling; g.Name == group && v != nil && v.Enabled && len(v.Policy) > 0 {
			bounds := ""
			if v.Min != nil && v.Max != nil {
				bounds = fmt.Sprintf(" (%d to %d allocations)", *v.Min, *v.Max)
			}
			return "Nomad Autoscaler" + bounds + ", which enabled = false in the group's scaling block switches off"
		}
	}
	for _, e := range r.Events {
		_, by := e.Meta["nomad_policy_id"]
		_, dry := e.Meta["nomad_autoscaler.dry_run"]
		if age := now.Sub(time.Unix(0, e.Time)); by && !dry && age < rivalTrust && age > -rivalTrust {
			return "Nomad Autoscaler, which gave an order in the last half hour by a policy of its own"
		}
	}
	return ""
}

// deploying reports whether a deployment of the job is active, as far as can be read.
func (s *Scaler) deploying(ctx context.Context, r *reading) bool {
	call := s.call("read the deployment", "/deployment", calls.Urgent)
	call.Once = true
	var d struct { // null: there has never been one
		JobCreateIndex uint64
		Status         string
	}
	if err := s.client.calls.Do(ctx, call, &d); err != nil || d.JobCreateIndex != r.created {
		return false
	}
	return slices.Contains([]string{"running", "paused", "blocked", "unblocking", "initializing", "pending"}, d.Status)
}

// call is a call below the path of the job.
func (s *Scaler) call(op, path string, u calls.Urgency) calls.Call {
	query := url.Values{}
	if s.group.Namespace != "" {
		query.Set("namespace", s.group.Namespace)
	}
	if s.group.Region != "" {
		query.Set("region", s.group.Region)
	}
	return calls.Call{Op: op, Subject: s.subject(), Path: "/v1/job/" + url.PathEscape(s.group.Job) + path, Query: query, Urgency: u}
}
