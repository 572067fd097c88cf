package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/autoscalebot/autoscale"
)

// errNoTarget is the fault of a target that is listed and cannot be scaled.
var errNoTarget = errors.New("it is listed, but it is not in the cluster, or not in the namespace of the fleet, or the selector does not select it")

// SetTargets replaces [FleetOptions.Targets], also while the fleet runs: targets that are new
// start, and those that are missing stop. Nil: all that the Selector selects. If a name is
// bad, the error wraps [autoscale.ErrConfig], and nothing changes.
func (f *Fleet) SetTargets(names []string) error {
	list, err := targetList(names)
	if err != nil {
		return fmt.Errorf("%w: kubernetes: set the targets of the fleet: %w", autoscale.ErrConfig, err)
	}
	f.list.Store(&list)
	poke(f.dirty)
	return nil
}

// targetList returns the names as a set. Nil: there is no list.
func targetList(names []string) (map[string]bool, error) {
	if names == nil {
		return nil, nil
	}
	list := make(map[string]bool, len(names))
	for _, n := range names {
		namespace, name, _ := strings.Cut(n, "/")
		if !validNamespace.MatchString(namespace) || len(name) > 253 || !validPart.MatchString(name) {
			return nil, fmt.Errorf("%.320q is not the name of a target: give the namespace and the name, such as shop/web", n)
		}
		list[n] = true
	}
	return list, nil
}

// listed reports whether the list, if there is one, has a target.
func (f *Fleet) listed(key string) bool {
	list := *f.list.Load()
	return list == nil || list[key]
}

// selected returns the targets that are both selected and listed, by key. It returns false before
// they are known.
func (f *Fleet) selected() (map[string]*fleetWorkload, bool) {
	all, known := f.targets.all()
	maps.DeleteFunc(all, func(key string, _ *fleetWorkload) bool { return !f.listed(key) })
	return all, known
}

// missing returns the names of the list that are not among targets, of the shards that this
// worker holds. The lock is held.
func (f *Fleet) missing(targets map[string]*fleetWorkload) (keys []string) {
	for key := range *f.list.Load() {
		if targets[key] == nil && f.held[shardOf(key, f.opts.Shards)] != nil {
			keys = append(keys, key)
		}
	}
	return keys
}
