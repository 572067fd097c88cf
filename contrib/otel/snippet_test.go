package autoscaleotel_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// A reader can copy what the README shows.
func TestSnippets(t *testing.T) {
	docstest.Compile(t, docstest.Context{
		Imports: map[string]string{
			"autoscale": "github.com/autoscalebot/autoscale", "autoscaleotel": "github.com/autoscalebot/autoscale/contrib/otel", "otel": "go.opentelemetry.io/otel",
		},
		Vars: map[string]string{"group": "*autoscale.Group"},
	}, docstest.Read(t, "README.md")...)
}
