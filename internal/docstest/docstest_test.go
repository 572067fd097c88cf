package docstest_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

const root = "../.."

// A reader can copy what the README and the pages on platforms show.
func TestSnippets(t *testing.T) {
	const module = "github.com/autoscalebot/autoscale"
	imports := map[string]string{"context": "context", "http": "net/http", "os": "os", "sql": "database/sql", "time": "time", "tls": "crypto/tls"}
	// To look into the folders also tells go test that its last result is void if one changed.
	for _, pattern := range []string{"*.go", "*/*.go", "platform/*/*.go"} {
		for _, file := range glob(t, pattern) {
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			imported := path.Join(module, filepath.ToSlash(folder))
			imports[path.Base(imported)] = imported
		}
	}
	snippets := docstest.Read(t, append(glob(t, "docs/platforms/*.md"), root+"/README.md")...)
	// Modules of their own compile these.
	snippets = slices.DeleteFunc(snippets, func(s docstest.Snippet) bool { return s.Uses("dokku") || s.Uses("config") })
	docstest.Compile(t, docstest.Context{Imports: imports, Vars: map[string]string{
		"a":   "*autoscale.Autoscaler", // as the README says
		"ctx": "context.Context",
		"db":  "*sql.DB",
		"mux": "*http.ServeMux",
	}}, snippets...)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return files
}

// The steps of a release name each module.
func TestReleasing(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/releasing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*/go.mod", "contrib/*/go.mod", "contrib/*/*/go.mod"} {
		for _, file := range glob(t, pattern) {
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			if name := "`" + filepath.ToSlash(folder) + "`"; !strings.Contains(string(page), name) {
				t.Errorf("docs/releasing.md does not say whether %s is released", name)
			}
		}
	}
}
