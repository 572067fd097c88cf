package swarm

import "time"

// SetPlacing sets for how long a task has no node before that counts as a limit.
func (s *Scaler) SetPlacing(d time.Duration) { s.placing = d }
