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

// A reader can copy what the README, the pages on platforms and the package comments show.
func TestSnippets(t *testing.T) {
	const module = "github.com/autoscalebot/autoscale"
	imports := map[string]string{
		"context": "context", "http": "net/http", "log": "log", "os": "os", "slog": "log/slog", "sql": "database/sql", "time": "time", "tls": "crypto/tls", "x509": "crypto/x509",
	}
	var files []string
	// To look into the folders also tells go test that its last result is void if one changed.
	for _, pattern := range []string{"*.go", "*/*.go", "platform/*/*.go"} {
		for _, file := range glob(t, pattern) {
			if !strings.HasSuffix(file, "_test.go") {
				files = append(files, file)
			}
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			imported := path.Join(module, filepath.ToSlash(folder))
			imports[path.Base(imported)] = imported
		}
	}
	snippets := append(docstest.Read(t, append(glob(t, "docs/platforms/*.md"), root+"/README.md")...), docstest.ReadDocs(t, files...)...)
	for _, name := range []string{"autoscale.go", "heroku/doc.go", "platform/fly/doc.go", "traffic/traffic.go"} {
		if !slices.ContainsFunc(snippets, func(s docstest.Snippet) bool { return s.Page == filepath.Join(root, name) }) {
			t.Errorf("%s shows no code that is Go", name)
		}
	}
	snippets = slices.DeleteFunc(snippets, func(s docstest.Snippet) bool {
		return s.Uses("dokku") || s.Uses("config") || // modules of their own compile these
			strings.Contains(s.Code, "redisCache{") // a type of the reader's
	})
	docstest.Compile(t, docstest.Context{Imports: imports, Vars: map[string]string{
		"a":        "*autoscale.Autoscaler", // as the README says
		"addr":     "string",
		"audit":    "*slog.Logger",
		"cfg":      "autoscale.Config",
		"ctx":      "context.Context",
		"db":       "*sql.DB",
		"load":     "sim.Load",
		"mux":      "*http.ServeMux",
		"requests": "*traffic.Traffic",
		"scaler":   "autoscale.Scaler",
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

// Each platform has a page and a row in the README.
func TestPages(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range glob(t, "platform/*/doc.go") {
		name := filepath.Base(filepath.Dir(doc))
		page := "docs/platforms/" + name + ".md"
		if _, err := os.Stat(root + "/" + page); err != nil {
			t.Error(err)
		}
		if link := "| [platform/" + name + "](" + page + ") |"; !strings.Contains(string(readme), link) {
			t.Errorf("README.md has no row with %q", link)
		}
	}
}
