package swarm

import "time"

// SetPlacing sets for how long a task has no node before that counts as a limit.
func (s *Scaler) SetPlacing(d time.Duration) { s.placing = d }

// Proxied reports whether a proxy of the environment may be used.
func (c *Client) Proxied() bool { return c.own.Proxy != nil }
