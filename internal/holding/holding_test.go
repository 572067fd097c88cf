package holding_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/holding"
	"github.com/autoscalebot/autoscale/limit"
)

// Every limit that holds the size whatever is recommended has words, and no other one. An
// override always has an end.
func TestUntil(t *testing.T) {
	for by := limit.None; by <= limit.ByBusy; by++ {
		if want := by.Holds() && by != limit.ByOverride; (holding.Until(by, true) != "") != want || (holding.Until(by, false) != "") != want {
			t.Errorf("%v: %q, and with a command %q", by, holding.Until(by, false), holding.Until(by, true))
		}
	}
	if a, b := holding.Until(limit.ByPause, false), holding.Until(limit.ByPause, true); a == b {
		t.Errorf("a size of 0 and a pause are both %q", a)
	}
}
