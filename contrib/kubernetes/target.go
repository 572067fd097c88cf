package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// A kind is a kind of objects that can be scaled.
type kind struct {
	api      string // group and version, such as "apps/v1"
	resource string // as "deployments"
	name     string // as "Deployment"

	// known says that spec.replicas and status.readyReplicas of its objects mean what
	// they mean in apps/v1. Of others, the subresource scale is read alone.
	known bool
}

func (k kind) group() string {
	group, _, _ := strings.Cut(k.api, "/")
	return group
}

// kinds are those that have a short name.
var kinds = map[string]kind{
	"deployment":  {"apps/v1", "deployments", "Deployment", true},
	"statefulset": {"apps/v1", "statefulsets", "StatefulSet", true},
	"replicaset":  {"apps/v1", "replicasets", "ReplicaSet", true},
	"rollout":     {"argoproj.io/v1alpha1", "rollouts", "Rollout", true},
}

// shortNames are those that kubectl knows too.
var shortNames = map[string]string{"deploy": "deployments", "sts": "statefulsets", "rs": "replicasets", "ro": "rollouts"}

var (
	// validPlural is a resource with its group, such as "workers.example.com".
	validPlural = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$`)

	validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

// parseTarget reads "deployment/web" or "workers.example.com/web". The kind of the
// latter is the zero kind: discover finds it.
func parseTarget(target string) (k kind, plural, name string, err error) {
	plural, name, ok := strings.Cut(target, "/")
	plural = strings.ToLower(plural)
	plural = cmp.Or(shortNames[plural], plural)
	k, short := kinds[strings.TrimSuffix(plural, "s")]
	for _, known := range kinds {
		if plural == known.resource+"."+known.group() {
			k, short = known, true
		}
	}
	if !ok || !short && !validPlural.MatchString(plural) || !validName.MatchString(name) {
		return kind{}, "", "", fmt.Errorf("the target %s is not kind/name: give deployment/web, statefulset/web, replicaset/web, rollout/web or plural.group/web, as workers.example.com/web", calls.Quoted(target))
	}
	return k, plural, name, nil
}

// discover asks the API server which version and which kind a resource has, as
// "workers.example.com": two requests, which every account may send by default.
func (c *Client) discover(ctx context.Context, plural string) (kind, error) {
	resource, group, _ := strings.Cut(plural, ".")
	k := call{op: "look up the kind", subject: plural, api: group}
	var versions struct {
		PreferredVersion struct {
			Version string `json:"version"`
		} `json:"preferredVersion"`
	}
	if err := c.do(ctx, k, nil, &versions); err != nil {
		return kind{}, err
	}
	version := versions.PreferredVersion.Version
	if !validVersion.MatchString(version) {
		return kind{}, c.unfit(k, fmt.Errorf("the answer names no version of %s", group))
	}
	k.api += "/" + version
	var list struct {
		Resources []struct {
			Name string `json:"name"`
			Kind string `json:"kind"`
		} `json:"resources"`
	}
	if err := c.do(ctx, k, nil, &list); err != nil {
		return kind{}, err
	}
	found := kind{api: k.api, resource: resource}
	scale := false
	for _, r := range list.Resources {
		switch r.Name {
		case resource:
			found.name = r.Kind
		case resource + "/scale":
			scale = true
		}
	}
	switch {
	case found.name == "":
		return kind{}, c.unfit(k, fmt.Errorf("%s has no resource %s: give its plural, which `kubectl api-resources --api-group=%s` lists", k.api, calls.Quoted(resource), group))
	case !scale:
		return kind{}, c.unfit(k, fmt.Errorf("%s has no scale subresource, so nothing can set its size: its CustomResourceDefinition must declare one", plural))
	}
	return found, nil
}

var validVersion = regexp.MustCompile(`^v[0-9][a-z0-9]{0,20}$`)

// kindOf returns the kind of the Scaler's target, which it looks up once if need be.
func (s *Scaler) kindOf(ctx context.Context) (kind, error) {
	s.mu.Lock()
	k := cmp.Or(s.kind, s.found)
	s.mu.Unlock()
	if k != (kind{}) {
		return k, nil
	}
	k, err := s.client.discover(ctx, s.plural)
	if err == nil {
		s.mu.Lock()
		s.found = k
		s.mu.Unlock()
	}
	return k, err
}
