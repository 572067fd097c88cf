package autoscaleprom_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// A reader can copy what the README shows.
func TestSnippets(t *testing.T) {
	docstest.Compile(t, docstest.Context{
		Imports: map[string]string{
			"autoscale": "github.com/autoscalebot/autoscale", "autoscaleprom": "github.com/autoscalebot/autoscale/contrib/prometheus", "http": "net/http",
			"prometheus": "github.com/prometheus/client_golang/prometheus", "promhttp": "github.com/prometheus/client_golang/prometheus/promhttp",
		},
		Vars: map[string]string{"group": "*autoscale.Group"},
	}, docstest.Read(t, "README.md")...)
}
