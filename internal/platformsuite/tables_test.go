package platformsuite_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// elsewhere are platforms outside of the folder platform, with what each of them has in the
// place of a suite, and why.
var elsewhere = map[string]map[string]string{
	"heroku": {
		"autoscaletest.Scaler": "autoscaletest/autoscaletest_test.go", "platformsuite.Faults": "heroku/fault_test.go: its fake has faults of its own",
		"platformsuite.Chaos": "heroku/late_test.go, retry_test.go",
		"Busy":                "heroku/busy_test.go", "Fail": "heroku/fault_test.go",
	},
	"contrib/dokku":      {"platformsuite.Faults": "TestHostileServers: it speaks SSH", "Fail": "TestHostileServers", "platformsuite.Chaos": "TestOrderGoesOn"},
	"contrib/kubernetes": {"platformsuite.Faults": "hostile_test.go: its fake has faults of its own", "Busy": "TestCompareAndSwap", "platformsuite.Chaos": "TestCompareAndSwap"},
}

// Every platform passes every suite, with a platform that fails and one that is busy. A new
// folder must be in all of these.
func TestEveryPlatformIsInEveryTable(t *testing.T) {
	folders := []string{"heroku", "contrib/dokku", "contrib/kubernetes"}
	entries, err := os.ReadDir(filepath.Join(root, "platform"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "platformtest" {
			folders = append(folders, "platform/"+e.Name())
		}
	}
	if len(folders) < 10 {
		t.Fatalf("only %q", folders)
	}
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			does := calls(t, filepath.Join(root, folder))
			for _, needs := range []string{"autoscaletest.Scaler", "platformsuite.Waits", "platformsuite.Faults", "platformsuite.Chaos", "Fail", "Busy"} {
				if why := elsewhere[folder][needs]; why == "" && !does[needs] {
					t.Errorf("its tests do not have %s", needs)
				} else if why != "" && does[needs] {
					t.Errorf("its tests have %s, and the table says otherwise", needs)
				}
			}
			name, inside := strings.CutPrefix(folder, "platform/")
			if !inside {
				return
			}
			for _, file := range []string{"internal/hostiletest/platform_" + name + "_test.go", "docs/platforms/" + name + ".md", folder + "/example_test.go"} {
				if _, err := os.Stat(filepath.Join(root, file)); err != nil {
					t.Error(err)
				}
			}
			for file, has := range map[string]string{
				"settings/platforms_table.go":          `name: "` + name + `"`,
				"internal/secrettest/secret_test.go":   name + ".NewClient",
				"internal/hostiletest/hostile_test.go": name + "Doors",
				"internal/hostiletest/doors_test.go":   `"` + name + `.Scaler"`,
				"README.md":                            "docs/platforms/" + name + ".md",
			} {
				if text, err := os.ReadFile(filepath.Join(root, file)); err != nil || !strings.Contains(string(text), has) {
					t.Errorf("%s does not have %s, %v", file, has, err)
				}
			}
		})
	}
	for folder := range elsewhere {
		if !slices.Contains(folders, folder) {
			t.Errorf("%s is in the table, and not in the library", folder)
		}
	}
}

// calls returns which functions of other packages the tests of a folder call, and which
// options they set.
func calls(t *testing.T, folder string) map[string]bool {
	found := make(map[string]bool)
	each(t, folder, func(name string, f *ast.File) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok {
						found[x.Name+"."+s.Sel.Name] = true
					}
				}
			case *ast.CompositeLit:
				s, ok := n.Type.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "ScalerOptions" {
					return true
				}
				for _, field := range n.Elts {
					if key, ok := field.(*ast.KeyValueExpr).Key.(*ast.Ident); ok {
						found[key.Name] = true
					}
				}
			}
			return true
		})
	})
	return found
}

// What a client reads of the environment goes through platform.Options.Getenv, so that
// settings and tests can supply another one.
func TestEnvironment(t *testing.T) {
	own := []string{"Self", "InstanceID", "DefaultCredentials", "MetadataToken"} // are of this process
	seen := 0
	for _, folder := range []string{"settings", "platform"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(dir string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if d.Name() == "testdata" {
				return filepath.SkipDir
			}
			each(t, dir, func(name string, f *ast.File) {
				if strings.HasSuffix(name, "_test.go") {
					return
				}
				for _, decl := range f.Decls {
					function, ok := decl.(*ast.FuncDecl)
					ast.Inspect(decl, func(n ast.Node) bool {
						s, is := n.(*ast.SelectorExpr)
						if !is || !slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, s.Sel.Name) {
							return true
						}
						if x, is := s.X.(*ast.Ident); !is || x.Name != "os" {
							return true
						}
						seen++
						switch {
						case ok && slices.Contains(own, function.Name.Name):
						case folder == "platform" && s.Sel.Name == "Environ" && strings.HasSuffix(dir, "pool"): // its processes get it
						default:
							t.Errorf("%s: os.%s: use platform.Options.Getenv", filepath.Join(dir, name), s.Sel.Name)
						}
						return true
					})
				}
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 5 {
		t.Errorf("only %d places were found", seen)
	}
}

// each calls f for each file of Go in a folder.
func each(t *testing.T, folder string, f func(name string, file *ast.File)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f(filepath.Base(file), parsed)
	}
}
