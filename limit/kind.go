package limit

import "github.com/autoscalebot/autoscale/internal/names"

// Kind names a limit. Several can apply to one recommendation: the one that counts is
// the last in the order of the constants, which is the order in which they apply.
type Kind uint8

// The kinds of limit.
const (
	// None: the recommendation is carried out in full, or there is none.
	None Kind = iota
	// ByNotLeader: another process leads.
	ByNotLeader
	// ByPause: Pause was called, or somebody set the size to 0 while Min is above 0.
	// In the second case the pause ends when they set another size.
	ByPause
	// ByMaintenance: the application is in maintenance.
	ByMaintenance
	// ByOverride: Override was called. It sets the size, within the bounds.
	ByOverride
	// ByYielding: another autoscaler is at work.
	ByYielding
	// ByBounds: the size was outside Min and Max. It is set to the nearest bound, past
	// every later limit, and even if nothing was measured.
	ByBounds
	// ByUndecided: nothing was measured, or the Decider failed.
	ByUndecided
	// ByForecast: raised to the recommendation of the same time on earlier days.
	ByForecast
	// ByDiminishingReturns: nothing is added, because the last increases did not help.
	ByDiminishingReturns
	// ByTolerance: the recommendation is too close to the size.
	ByTolerance
	// ByStabilization: the size moves only as far as all recommendations of the window
	// agree.
	ByStabilization
	// ByCooldown: the size changed too recently.
	ByCooldown
	// ByRate: the size moves no further than Behavior.Rate leaves for the period.
	ByRate
	// ByStep: the size moves by no more than Behavior.Step at once.
	ByStep
	// ByBudget: the hours of the Budget are spent, so Min is the maximum.
	ByBudget
	// ByMax: no more than Max.
	ByMax
	// ByMin: no fewer than Min.
	ByMin
	// ByPlatform: no more than the platform permits.
	ByPlatform
	// ByDeployment: a deployment is under way, and the platform takes no order until it
	// has ended.
	ByDeployment
	// ByBusy: the platform is busy with another operation, or asked to wait.
	ByBusy
)

var kindNames = [...]string{
	"none", "not_leader", "paused", "maintenance", "override", "yielding", "outside_bounds", "undecided",
	"forecast", "diminishing_returns", "tolerance", "stabilization", "cooldown", "rate", "step", "budget", "max", "min", "platform",
	"deployment", "busy",
}

// Holds reports whether k keeps the size, whatever is recommended, until a person, the
// platform or another autoscaler ends that.
func (k Kind) Holds() bool {
	switch k {
	case ByPause, ByMaintenance, ByOverride, ByYielding:
		return true
	}
	return false
}

// String returns the name in snake case.
func (k Kind) String() string { return names.Of(kindNames[:], int(k), "Kind") }

// MarshalText returns [Kind.String].
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := names.Parse(kindNames[:], text, "limit")
	*k = Kind(i)
	return err
}
