package fly

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/autoscalebot/autoscale/internal/patience"
)

const (
	// wedged is for how long a machine may be in a transient state, according to
	// https://fly.io/docs/machines/machine-states.
	wedged = 5 * time.Minute

	// fresh is for how long a created machine counts as about to be started.
	fresh = 2 * time.Minute

	// rollout is for how long machines of two releases mean that a deployment is under way.
	rollout = patience.Hold
)

// machine has the fields that are read from a machine.
type machine struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Region    string    `json:"region"`
	Host      string    `json:"host_status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Config    *config   `json:"config"`
	Part      *config   `json:"incomplete_config"` // if the host does not answer
	Checks    []check   `json:"checks"`
	Events    []event   `json:"events"`
	Image     imageRef  `json:"image_ref"`
}

type check struct {
	Status string `json:"status"`
}

type event struct {
	Source    string `json:"source"`
	Timestamp int64  `json:"timestamp"` // milliseconds
}

type imageRef struct {
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

// config is a machine's configuration: the fields that are read, and the whole
// text.
type config struct {
	Metadata map[string]string `json:"metadata"`
	Mounts   []json.RawMessage `json:"mounts"`
	Standbys []string          `json:"standbys"`
	Schedule string            `json:"schedule"`
	Destroy  bool              `json:"auto_destroy"`
	Services []struct {
		Autostop  any  `json:"autostop"` // false, true, "off", "stop" or "suspend"
		Autostart bool `json:"autostart"`
	} `json:"services"`
	raw map[string]json.RawMessage
}

// UnmarshalJSON also keeps the fields that this package does not know, for clones.
func (c *config) UnmarshalJSON(text []byte) error {
	type plain config
	if err := json.Unmarshal(text, (*plain)(c)); err != nil {
		return err
	}
	return json.Unmarshal(text, &c.raw)
}

func (m *machine) config() *config {
	for _, c := range []*config{m.Config, m.Part} {
		if c != nil {
			return c
		}
	}
	return &config{}
}

func (m *machine) group() string {
	meta := m.config().Metadata
	if g := meta["fly_process_group"]; g != "" {
		return g
	}
	return meta["process_group"]
}

// release is the version of the release that made the machine, or 0.
func (m *machine) release() int {
	n, _ := strconv.Atoi(m.config().Metadata["fly_release_version"])
	return n
}

// A condition says what an order can do with a machine.
type condition int

const (
	gone    condition = iota // no longer exists
	failed                   // could not be launched, but exists
	absent                   // cannot be reached, and may come back
	off                      // can be started
	leaving                  // will be off soon
	on                       // counts as ordered
)

// condition judges the state of a machine. A machine whose host does not answer keeps its
// last state, so that the failure of a host does not lead to new machines. An unknown
// state is not a reason to order another machine either.
func (m *machine) condition(now time.Time) condition {
	switch m.State {
	case "created":
		if now.Sub(m.CreatedAt) < fresh {
			return on
		}
		return m.startable()
	case "stopped", "suspended":
		return m.startable()
	case "stopping", "suspending":
		if now.Sub(m.UpdatedAt) < wedged {
			return leaving
		}
		return absent
	case "failed":
		return failed
	case "launch_failed", "destroying", "destroyed", "replaced", "migrated":
		return gone
	}
	return on
}

func (m *machine) startable() condition {
	if !m.reachable() {
		return absent
	}
	return off
}

func (m *machine) reachable() bool { return m.Host == "" || m.Host == "ok" }

func (m *machine) serves() bool {
	return m.State == "started" && m.reachable() && !slices.ContainsFunc(m.Checks, func(c check) bool { return c.Status != "passing" })
}

// ours reports whether a machine is an ordinary one of the group, and not a standby or a
// job.
func (m *machine) ours(group string) bool {
	c := m.config()
	return m.group() == group && len(c.Standbys) == 0 && c.Schedule == "" && !c.Destroy
}

// fault returns an error that names what is missing in an answer.
func (m *machine) fault() error {
	switch {
	case !validID.MatchString(m.ID):
		return errors.New("the answer has a machine without a valid id")
	case m.State == "":
		return fmt.Errorf("the answer has no state of machine %s", m.ID)
	case m.Region == "":
		return fmt.Errorf("the answer has no region of machine %s", m.ID)
	case m.Config == nil && m.reachable():
		return fmt.Errorf("the answer has no config of machine %s", m.ID)
	}
	return nil
}

// rival names the feature of Fly Proxy that starts or stops the machine, and says how to
// switch it off.
func (m *machine) rival() string {
	for _, s := range m.config().Services {
		switch {
		case s.Autostop != nil && s.Autostop != false && s.Autostop != "off":
			return "Fly Proxy autostop, which `auto_stop_machines = \"off\"` in fly.toml switches off"
		case s.Autostart:
			return "Fly Proxy autostart, which `auto_start_machines = false` in fly.toml switches off"
		}
	}
	return ""
}

// clone returns the configuration for a clone of the machine, or an error if the machine
// cannot be cloned.
func (m *machine) clone() (map[string]json.RawMessage, error) {
	if len(m.config().Mounts) > 0 {
		return nil, errors.New("fly: machines with volumes are not cloned: create machines with `fly scale count`, which the autoscaler then starts and stops, or lower Max")
	}
	raw := maps.Clone(m.Config.raw)
	if i := m.Image; i.Registry != "" && i.Repository != "" && i.Digest != "" {
		ref := i.Registry + "/" + i.Repository
		if i.Tag != "" {
			ref += ":" + i.Tag
		}
		text, err := json.Marshal(ref + "@" + i.Digest) // the same image, even if its tag moved
		if err != nil {
			return nil, err
		}
		raw["image"] = text
	}
	return raw, nil
}
