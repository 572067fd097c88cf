package suggest_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/suggest"
)

func TestNearest(t *testing.T) {
	all := []string{"settings", "scale", "service-time", "slots"}
	for name, want := range map[string]string{
		"scal": "scale", "scales": "scale", "setings": "settings", "service": "service-time", "time": "service-time",
		"": "", "colour": "", "x": "",
	} {
		if got := suggest.Nearest(name, all, "-"); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", name, got, want)
		}
	}
}
