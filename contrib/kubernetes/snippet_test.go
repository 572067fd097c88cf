package kubernetes_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// A reader can copy what the README and the page on fleets show.
func TestSnippets(t *testing.T) {
	const module = "github.com/autoscalebot/autoscale"
	imports := map[string]string{
		"autoscale": module, "context": "context", "errors": "errors", "http": "net/http", "kubernetes": module + "/contrib/kubernetes",
		"leader": module + "/leader", "probe": module + "/probe", "rule": module + "/rule", "status": module + "/status",
	}
	docstest.Compile(t, docstest.Context{Imports: imports, Vars: map[string]string{
		"ctx": "context.Context", "prober": "autoscale.Prober", "token": "string",
		// Of other modules.
		"prometheus":    "interface{ MustRegister(...any) }",
		"autoscaleprom": "interface{ NewGroupCollector(any) any }",
	}}, docstest.Read(t, "README.md", "FLEET.md")...)
}
