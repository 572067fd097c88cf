package autoscale_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"testing"
)

// largestKnot is the most files of the package that may use each other in a circle. 1: no
// circle.
const largestKnot = 1

// Files that use each other in a circle can only be understood together. A file uses
// another if it names a package-level declaration of it, or calls a method of a type that
// the other declares.
func TestFilesFormNoKnot(t *testing.T) {
	for _, knot := range knots(fileUses(t)) {
		if len(knot) > largestKnot {
			t.Errorf("%d files use each other in a circle, want at most %d: move a declaration to the file that it belongs to: %v", len(knot), largestKnot, knot)
		}
	}
}

// fileUses returns which files each file of the package uses.
func fileUses(t *testing.T) map[string][]string {
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// Other packages are not loaded: their names stay unknown, and do not matter here.
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Error: func(error) {}, Importer: noImporter{}}
	own, _ := config.Check(pkg.Name, fset, files, info)

	file := func(p token.Pos) string { return fset.Position(p).Filename }
	uses := make(map[string]map[string]bool)
	for _, name := range pkg.GoFiles {
		uses[name] = make(map[string]bool)
	}
	for ident, object := range info.Uses {
		if object.Pkg() != own {
			continue
		}
		if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
			object = receiver(f)
		}
		if object == nil || object.Parent() != own.Scope() {
			continue
		}
		if from, to := file(ident.Pos()), file(object.Pos()); from != to {
			uses[from][to] = true
		}
	}
	out := make(map[string][]string)
	for name, used := range uses {
		out[name] = slices.Sorted(maps.Keys(used))
	}
	return out
}

// receiver returns the type that declares method f, or nil.
func receiver(f *types.Func) types.Object {
	typ := f.Signature().Recv().Type()
	if p, ok := typ.(*types.Pointer); ok {
		typ = p.Elem()
	}
	if n, ok := typ.(*types.Named); ok {
		return n.Obj()
	}
	return nil
}

// noImporter returns empty packages.
type noImporter struct{}

func (noImporter) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, "")
	p.MarkComplete()
	return p, nil
}

// knots returns the strongly connected components of a graph, by Tarjan's algorithm.
func knots(uses map[string][]string) [][]string {
	index, low := make(map[string]int), make(map[string]int)
	var stack []string
	var out [][]string
	var visit func(v string)
	visit = func(v string) {
		index[v] = len(index) + 1
		low[v] = index[v]
		stack = append(stack, v)
		for _, w := range uses[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if slices.Contains(stack, w) {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] == index[v] {
			i := slices.Index(stack, v)
			knot := slices.Sorted(slices.Values(stack[i:]))
			stack = stack[:i]
			out = append(out, knot)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(uses)) {
		if index[v] == 0 {
			visit(v)
		}
	}
	return out
}
