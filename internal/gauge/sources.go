package gauge

import (
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
)

// A Source is what is exported: an autoscale.Autoscaler, or a stand-in for one in a test.
type Source interface {
	Status() autoscale.Status
}

// A Group is what has the Autoscalers that are exported: an autoscale.Group.
type Group interface {
	Members() []*autoscale.Autoscaler
}

// Sources are what is exported now.
type Sources func() []Source

// Of returns the Sources that stay as they are.
func Of[S Source](list ...S) Sources {
	all := make([]Source, len(list))
	for i, s := range list {
		all[i] = s
	}
	return func() []Source { return all }
}

// OfGroup returns the members that g has at each call.
func OfGroup(g Group) Sources {
	return func() []Source { return Of(g.Members()...)() }
}

// Each yields the Status of each source, and its name as a label. What is wrong with a
// source, a panic of the host's included, goes to failed, and the others are yielded.
func (sources Sources) Each(yield func(name string, s *autoscale.Status), failed func(error)) {
	var list []Source
	if err := guard.Do(func() error { list = sources(); return nil }); err != nil {
		failed(fmt.Errorf("list the members of the Group: %w", err))
		return
	}
	names := make(map[string]bool, len(list))
	for i, source := range list {
		var s autoscale.Status
		err := guard.Do(func() error { s = source.Status(); return nil })
		name := Label(s.Name)
		if err == nil && names[name] {
			err = fmt.Errorf("two have the Name %q: give each process type its own", name)
		}
		if err != nil {
			failed(fmt.Errorf("source %d of %d: %w", i+1, len(list), err))
			continue
		}
		names[name] = true
		yield(name, &s)
	}
}
