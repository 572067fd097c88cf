package secrettest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// shown are the exported types whose texts are made to be shown. What comes into them is
// clean, by other tests.
var shown = []string{
	"autoscale.Capacity", "autoscale.Event", "autoscale.Explanation", "autoscale.Recommendation", "autoscale.Record", "autoscale.Sample", "autoscale.Status", "autoscale.Term",
	"autoscale.Config", // tested with parts that hold secrets
	"cloudfoundry.Instance",
	"platform.CallBudgetError", "platform.Error",
	"history.Point", "history.Span",
	"kubernetes.FleetFault", "kubernetes.FleetStatus", "kubernetes.Manager", "kubernetes.Target",
	"leader.Claim", "leader.Row",
	"nomad.Group",
	"dokku.Error", "dokku.Options", // tests of contrib/dokku keep keys out of the former; the latter has a user's name
	"pool.Event", "pool.Process",
	"settings.Fault", "settings.Settings", // tested as Load makes them
	"sim.Options", "sim.Report", // in which there is no service
	"advice.Advice", "autoscale.Share", "status.Advice",
	"traffic.Report", "traffic.Shared", // the latter is tested with a board
	"status.Autoscaler", "status.Event", "status.PublishedSize",
}

// holders are the types of fields that can hold a secret.
var holders = []string{"string", "Header", "Client", "RoundTripper", "DB", "UniversalClient", "any", "Dialect"}

// Every exported type with a field that can hold a secret is tested, or shown on purpose.
func TestEveryTypeIsTested(t *testing.T) {
	const root = "../.."
	// In modules of their own, whose secret_test.go has them.
	known := map[string]bool{
		"redis.Backlog":      true,
		"kubernetes.Options": true, "kubernetes.ScalerOptions": true, "kubernetes.ProtectOptions": true,
		"kubernetes.PodBoardOptions": true, "kubernetes.FleetOptions": true, "kubernetes.Error": true,
	}
	for _, make := range structs {
		known[reflect.TypeOf(make()).Elem().String()] = true
	}
	for _, name := range shown {
		known[name] = true
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"internal", "testdata", "cmd", "bench", "examples"}, name) || strings.HasSuffix(name, "test")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				_, in := n.(*ast.FuncDecl)
				return !in
			}
			typ, ok := spec.Type.(*ast.StructType)
			if !ok || !spec.Name.IsExported() {
				return false
			}
			full := parsed.Name.Name + "." + spec.Name.Name
			for _, f := range typ.Fields.List {
				if len(f.Names) > 0 && f.Names[0].IsExported() && slices.Contains(holders, last(f.Type)) && !known[full] {
					known[full] = true
					t.Errorf("%s has the field %s, which can hold a secret: add the type to structs, or to shown if it never does", full, f.Names[0])
				}
			}
			return false
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// last returns the last name of a type, or of its elements.
func last(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return last(e.X)
	case *ast.ArrayType:
		return last(e.Elt)
	case *ast.MapType:
		return last(e.Value)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
