package dokku_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// A reader can copy what the page on Dokku shows.
func TestSnippets(t *testing.T) {
	const module = "github.com/autoscalebot/autoscale"
	docstest.Compile(t, docstest.Context{
		Imports: map[string]string{
			"autoscale": module, "context": "context", "dokku": module + "/contrib/dokku", "os": "os", "probe": module + "/probe",
		},
		Vars: map[string]string{"ctx": "context.Context"},
	}, docstest.Read(t, "../../docs/platforms/dokku.md")...)
}
