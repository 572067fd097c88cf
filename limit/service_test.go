package limit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// start is when the tests' clocks begin: a Monday, at midnight UTC.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// A service carries out what Apply returns, once every half minute.
type service struct {
	limits limit.Limits
	memory *limit.Memory
	input  limit.Input
	every  time.Duration
}

func newService(l limit.Limits, size int) *service {
	return &service{limits: l, memory: new(limit.Memory), input: limit.Input{Now: start, Size: size, Max: 100}, every: 30 * time.Second}
}

// tick lets time pass, recommends a size, and orders the outcome.
func (s *service) tick(recommended int) limit.Outcome {
	in := &s.input
	in.Now = in.Now.Add(s.every)
	in.Measured, in.Change, in.Recommendation = true, true, recommended
	out := s.limits.Apply(s.memory, *in)
	if out.Size != in.Size {
		s.memory.Ordered(in.Now, in.Size, out.Size)
		if out.Size > in.Size {
			s.memory.Raised(in.Now, in.Symptoms)
			in.Added = in.Now
		} else {
			in.Removed = in.Now
		}
		in.Size = out.Size
	}
	return out
}

// ticks returns the sizes after the recommendations, and the last outcome.
func (s *service) ticks(recommended ...int) (sizes []int, last limit.Outcome) {
	for _, n := range recommended {
		last = s.tick(n)
		sizes = append(sizes, s.input.Size)
	}
	return sizes, last
}

// reload sends the memory through JSON, as a change of leader does.
func (s *service) reload(t testing.TB) {
	t.Helper()
	data, err := json.Marshal(s.memory)
	if err != nil {
		t.Fatal(err)
	}
	read := new(limit.Memory)
	if err := json.Unmarshal(data, read); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	read.Trim()
	s.memory = read
}

// repeat returns n times the size.
func repeat(n, size int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = size
	}
	return out
}
