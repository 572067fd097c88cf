// Package patience says for how long all parts wait for a platform that is busy.
package patience

import "time"

const (
	// Hold is for how long an Autoscaler holds the size without an alarm while a platform
	// deploys or is busy. No package of a platform asks for longer, or stays busy for
	// longer with one order, unless its Scaler is an autoscale.OrderTimer.
	Hold = 10 * time.Minute

	// Longest is the most that an OrderTimer can make of it.
	Longest = time.Hour
)
