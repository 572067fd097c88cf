package autoscale

import "time"

// follows reports whether another autoscaler follows the published size with this size: it
// is the published size, or one on the way to it.
func (m *machine) follows(size int) bool {
	if from, to := m.Capacity.Desired, m.outcome.Decision.Size; m.cfg.RecommendOnly && m.Known && from != to {
		return min(from, to) <= size && size <= max(from, to)
	}
	return false
}

// notFollowedAfter is for how long the size may differ from the published size. It is
// longer than the five minutes for which a HorizontalPodAutoscaler holds back a decrease by
// default.
const notFollowedAfter = 10 * time.Minute

// commitFollowed checks whether another autoscaler carries the recommendation out.
func (m *machine) commitFollowed(e Event) {
	t := &m.tick
	size, want := t.capacity.Desired, t.outcome.Size
	switch {
	case !m.cfg.RecommendOnly || size == want:
		m.Unfollowed = time.Time{}
		return
	case t.moved || m.Unfollowed.IsZero() || m.Unfollowed.After(t.at):
		m.Unfollowed = t.at
	}
	if t.at.Sub(m.Unfollowed) >= notFollowedAfter {
		e.Kind, e.From, e.To, e.Detail = NotFollowed, size, want, notFollowed(t.capacity.ExternalAutoscaler, size, want)
		m.holds(e, "")
	}
}

// notFollowed returns what is known about why the size does not follow. autoscaler names
// the one that sets the size, and is empty if none is known.
func notFollowed(autoscaler string, size, want int) string {
	why := tolerated(size, want)
	switch {
	case autoscaler == "":
		return why
	case why != "":
		why = "; " + why
	}
	return "the size is left to " + autoscaler + why
}

// tolerated explains why a HorizontalPodAutoscaler does not follow, if its tolerance is the
// likely reason.
//
// Source: calculatePodRequests and the default of --horizontal-pod-autoscaler-tolerance in
// Kubernetes. A ratio of exactly 1.1 or 0.9 is tolerated too.
func tolerated(size, want int) string {
	const tolerance = 0.1
	if ratio := float64(want) / float64(size); size == want || size == 0 || ratio < 1-tolerance || ratio > 1+tolerance {
		return ""
	}
	return "a HorizontalPodAutoscaler ignores a difference of up to 10 %, unless its behavior.scaleUp.tolerance and behavior.scaleDown.tolerance are 0, which takes Kubernetes 1.35"
}
