// Package docstest compiles the Go snippets of pages in Markdown, so that none of them rots.
// A snippet is what stands between ```go and ```.
package docstest

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Snippet is Go code in a page.
type Snippet struct {
	Page string // the path of the page
	Line int    // of the first line of Code, or of the comment that it is in
	Code string
}

// Read returns the snippets of pages. It fails the test if a page has none, which needs no
// test, or if one does not end.
func Read(t *testing.T, pages ...string) (all []Snippet) {
	t.Helper()
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		before := len(all)
		open := false
		for i, line := range strings.Split(string(text), "\n") {
			switch fence := strings.TrimSpace(line); {
			case open && fence == "```":
				open = false
			case open:
				all[len(all)-1].Code += line + "\n"
			case fence == "```go":
				open = true
				all = append(all, Snippet{Page: page, Line: i + 2})
			}
		}
		if open || len(all) == before {
			t.Fatalf("%s has no whole snippet of Go", page)
		}
	}
	return all
}

// ReadDocs returns what the package comments of files of Go show as code, if it is Go: they
// show commands too.
func ReadDocs(t *testing.T, files ...string) (all []Snippet) {
	t.Helper()
	for _, name := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if file.Doc == nil {
			continue
		}
		var p comment.Parser
		for _, block := range p.Parse(file.Doc.Text()).Content {
			if code, ok := block.(*comment.Code); ok && isGo(code.Text) {
				all = append(all, Snippet{Page: name, Line: fset.Position(file.Doc.Pos()).Line, Code: code.Text})
			}
		}
	}
	return all
}

func isGo(code string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+code+"}", 0)
	return err == nil
}

// Uses reports whether the code uses something of a package.
func (s Snippet) Uses(pkg string) bool { return strings.Contains(s.Code, pkg+".") }

// Context is what a reader of a page is expected to have around a snippet.
type Context struct {
	Imports map[string]string // the import path of each package, by its name
	Vars    map[string]string // the type of each variable, by its name
}

// Compile compiles the snippets with the module of the working directory. A snippet knows
// what those above it on its page declare. An error of the compiler names the page and the
// line.
func Compile(t *testing.T, c Context, snippets ...Snippet) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-gcflags=-e"} // all errors
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	var vars strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		fmt.Fprintf(&vars, "var %s %s\n", name, c.Vars[name])
	}
	text, err := c.file(vars.String())
	if err != nil {
		t.Fatal(err)
	}
	write("vars.go", text)
	bodies := make(map[string]string) // by page: its snippets, each in a block within the one before
	for _, s := range snippets {
		page, err := filepath.Abs(s.Page)
		if err != nil {
			t.Fatal(err)
		}
		bodies[page] += fmt.Sprintf("{\n//line %s:%d\n%s%s", page, s.Line, s.Code, used(s.Code))
	}
	for i, page := range slices.Sorted(maps.Keys(bodies)) {
		body := bodies[page]
		text, err := c.file(fmt.Sprintf("func page%d() %s%s\n", i, body, strings.Repeat("}", strings.Count(body, "{\n//line "))))
		if err != nil {
			t.Error(err)
			continue
		}
		write(fmt.Sprintf("page%d.go", i), text)
	}
	if t.Failed() {
		return
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("a reader who copies the snippets gets: %v\n%s", err, out)
	}
}

// file makes a file of declarations, with the imports that they need.
func (c Context) file(declarations string) (string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", "package snippets\n"+declarations, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	imports := make(map[string]bool)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && c.Imports[x.Name] != "" {
				imports[c.Imports[x.Name]] = true
			}
		}
		return true
	})
	var b strings.Builder
	b.WriteString("package snippets\n")
	for _, path := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&b, "import %q\n", path)
	}
	return b.String() + declarations, nil
}

// used returns statements that use the variables which code declares last, as a reader's
// next lines do.
func used(code string) string {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+code+"}", parser.SkipObjectResolution)
	if err != nil {
		return "" // Compile says so
	}
	var b strings.Builder
	for _, statement := range parsed.Decls[0].(*ast.FuncDecl).Body.List {
		if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, left := range assign.Lhs {
				if name := left.(*ast.Ident).Name; name != "_" {
					fmt.Fprintf(&b, "_ = %s\n", name)
				}
			}
		}
	}
	return b.String()
}
