package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// A service has the fields that are read from a service. It is kept only for one
// call of a Scaler.
type service struct {
	ID      string `json:"ID"`
	Version struct {
		Index uint64 `json:"Index"`
	} `json:"Version"`
	UpdatedAt time.Time       `json:"UpdatedAt"`
	Spec      json.RawMessage `json:"Spec"` // it is sent back. The environment in it contains secrets
	Update    *struct {
		State string `json:"State"`
	} `json:"UpdateStatus"`

	spec spec
}

// A spec has the fields that are read from Spec.
type spec struct {
	Name   string            `json:"Name"`
	Labels map[string]string `json:"Labels"`
	Mode   struct {
		Replicated *struct {
			Replicas *int `json:"Replicas"`
		} `json:"Replicated"`
		Global        json.RawMessage `json:"Global"`
		ReplicatedJob json.RawMessage `json:"ReplicatedJob"`
		GlobalJob     json.RawMessage `json:"GlobalJob"`
	} `json:"Mode"`
	Template struct {
		Container struct {
			Health *struct {
				Test []string `json:"Test"`
			} `json:"Healthcheck"`
		} `json:"ContainerSpec"`
	} `json:"TaskTemplate"`
	UpdateConfig   pace `json:"UpdateConfig"`
	RollbackConfig pace `json:"RollbackConfig"`
}

// A pace is how fast Swarm replaces tasks.
type pace struct {
	Delay   time.Duration `json:"Delay"`
	Monitor time.Duration `json:"Monitor"`
}

// check returns an error if something is missing in an answer, or if the size of the
// service cannot be set. name is the name in the request.
func (v *service) check(name string, shown func(string) string) error {
	if err := json.Unmarshal(v.Spec, &v.spec); err != nil || v.ID == "" || v.spec.Name == "" {
		return errors.New("the answer has no ID, or no Spec of a service: something other than Docker's API answered, such as a proxy")
	}
	mode := &v.spec.Mode
	switch {
	case v.spec.Name != name && v.ID != name:
		return fmt.Errorf("there is no such service: the answer is about the service %s, whose ID begins so", calls.Quoted(shown(v.spec.Name)))
	case v.Version.Index == 0:
		return errors.New("the answer has no Version")
	case present(mode.Global):
		return errors.New("the service is global, which has one task on each node and no number: deploy it with the mode replicated, after `docker service rm`")
	case present(mode.ReplicatedJob) || present(mode.GlobalJob):
		return errors.New("the service is a job, whose tasks run once: only a service of the mode replicated can be scaled")
	case mode.Replicated == nil || mode.Replicated.Replicas == nil:
		return errors.New("the answer has no number of Replicas")
	case v.replicas() < 0 || v.replicas() > calls.MaxSize:
		return fmt.Errorf("the answer has %d Replicas", v.replicas())
	}
	return nil
}

// present reports whether an answer has a part that may be null.
func present(part json.RawMessage) bool { return len(part) > 0 && string(part) != "null" }

func (v *service) replicas() int { return *v.spec.Mode.Replicated.Replicas }

// sized returns the Spec with another number of tasks. Everything else keeps the bytes
// that were read, including fields that this package does not know, because Swarm
// replaces tasks if their template differs.
func (v *service) sized(size int) ([]byte, error) {
	set := func(in json.RawMessage, key string, f func(json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(in, &fields); err != nil {
			return nil, err
		}
		if fields[key] == nil {
			return nil, fmt.Errorf("the Spec has no %s", key) // the keys that were read before had another case
		}
		out, err := f(fields[key])
		if err != nil {
			return nil, err
		}
		fields[key] = out
		return json.Marshal(fields)
	}
	return set(v.Spec, "Mode", func(mode json.RawMessage) (json.RawMessage, error) {
		return set(mode, "Replicated", func(replicated json.RawMessage) (json.RawMessage, error) {
			return set(replicated, "Replicas", func(json.RawMessage) (json.RawMessage, error) {
				return json.Marshal(size)
			})
		})
	})
}

// secrets returns the texts that a refusal must not quote: the values of the
// environment, and the arguments.
func (v *service) secrets() []string {
	var s struct {
		Template struct {
			Container struct {
				Env, Args, Command []string
			} `json:"ContainerSpec"`
		} `json:"TaskTemplate"`
	}
	if json.Unmarshal(v.Spec, &s) != nil {
		return nil
	}
	all := slices.Concat(s.Template.Container.Args, s.Template.Container.Command)
	for _, variable := range s.Template.Container.Env {
		_, value, _ := strings.Cut(variable, "=")
		all = append(all, value)
	}
	return all
}

// checked reports whether the service has a health check. The image may have one too,
// which cannot be seen here.
func (v *service) checked() bool {
	h := v.spec.Template.Container.Health
	return h != nil && len(h.Test) > 0 && h.Test[0] != "NONE"
}

// The states of an update.
const (
	updating        = "updating"
	paused          = "paused"
	rollbackStarted = "rollback_started"
	rollbackPaused  = "rollback_paused"
)

// state returns the state of the last update. Empty: there was none since the last order.
func (v *service) state() string {
	if v.Update == nil {
		return ""
	}
	return v.Update.State
}

// deploying reports whether Swarm replaces tasks.
func (v *service) deploying() bool { return v.state() == updating || v.state() == rollbackStarted }

const (
	monitor   = 5 * time.Second // Swarm's default
	shortWait = 10 * time.Second
	pauseWait = time.Minute // somebody has to act
)

// busy returns why no order must be sent now, and how long that will last at least. An
// order would replace the spec that a rollback returns to, and would restart an update,
// even a paused one.
func (v *service) busy() (why string, wait time.Duration) {
	of := func(p pace) time.Duration {
		if p.Monitor <= 0 {
			p.Monitor = monitor
		}
		return min(max(max(p.Delay, 0)+p.Monitor, shortWait), calls.MaxRetryAfter)
	}
	const rest = ": an order would restart it, and change what a rollback returns to"
	switch v.state() {
	case updating:
		return "an update is under way" + rest, of(v.spec.UpdateConfig)
	case rollbackStarted:
		return "a rollback is under way" + rest, of(v.spec.RollbackConfig)
	case paused:
		return "an update is paused because tasks failed" + rest + ". Deploy again, or return with `docker service rollback`", pauseWait
	case rollbackPaused:
		return "a rollback is paused because tasks failed" + rest + ". Deploy again", pauseWait
	}
	return "", 0
}

// rivals are the labels of autoscalers for Swarm services.
var rivals = []struct{ label, value, name string }{
	{"swarm.autoscaler", "true", "docker-swarm-autoscaler"},
	{"swarm.autoscaler.enabled", "true", "swarm-hpa"},
	{"swarm.autoscale", "true", "swarm-autoscaler"},
	{"orbiter", "true", "Orbiter"},
	{"sablier.enable", "true", "Sablier"},
	{"com.df.scaleMin", "", "Docker Flow"},
	{"com.df.scaleMax", "", "Docker Flow"},
}

// rival names another autoscaler to which the labels of the service belong.
func (v *service) rival() string {
	for _, r := range rivals {
		if value, ok := v.spec.Labels[r.label]; ok && (r.value == "" || strings.EqualFold(value, r.value)) {
			return fmt.Sprintf("%s, by the label %s, which `docker service update --label-rm %s %s` removes", r.name, r.label, r.label, v.spec.Name)
		}
	}
	return ""
}

// stack names the stack with which the service was deployed. Empty: none.
func (v *service) stack() string { return v.spec.Labels["com.docker.stack.namespace"] }
