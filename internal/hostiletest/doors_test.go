package hostiletest_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	byHTTP  = "internal/hostiletest/hostile_test.go"
	bySMTP  = "internal/hostiletest/protocols_test.go"
	bySQL   = "internal/servertest/hostile_test.go"
	byRedis = "contrib/redis/hostile_test.go"
	byDokku = "contrib/dokku/dokku_test.go"
	byRun   = "internal/hostiletest/platform_cloudrun_test.go"
	byECS   = "internal/hostiletest/platform_ecs_test.go"
	byNomad = "internal/hostiletest/platform_nomad_test.go"
	bySwarm = "internal/hostiletest/platform_swarm_test.go"
	byKube  = "contrib/kubernetes/hostile_test.go"
	// own are doors that ask nobody but the process itself, or what the host gave.
	own = ""
)

// tested says which test runs each door against hostile servers or clients.
var tested = map[string]string{
	"autoscale.ProberFunc": own, "autoscale.NotifierFunc": own, "autoscale.Merge": own,

	"probe.HTTP": byHTTP, "probe.JSON": byHTTP, "probe.SQLBacklog": bySQL, "probe.SQLPool": own, "redis.Backlog": byRedis,

	"notify.Webhook": byHTTP, "notify.Slack": byHTTP, "notify.SlackBot": byHTTP, "notify.Discord": byHTTP, "notify.Teams": byHTTP,
	"email.New":      bySMTP,
	"notify.Console": own, "notify.Log": own, "notify.Only": own, "notify.Recorder": own,

	"heroku.NewClient": byHTTP, "heroku.Client.Scaler": byHTTP, "heroku.Client.WebURL": byHTTP, "heroku.Scaler": byHTTP,

	"fly.NewClient": "internal/hostiletest/platform_fly_test.go", "fly.Client.Scaler": "internal/hostiletest/platform_fly_test.go",
	"fly.Scaler": "internal/hostiletest/platform_fly_test.go",

	"render.NewClient": "internal/hostiletest/platform_render_test.go", "render.Client.Scaler": "internal/hostiletest/platform_render_test.go",
	"render.Scaler": "internal/hostiletest/platform_render_test.go",

	"scalingo.NewClient": "internal/hostiletest/platform_scalingo_test.go", "scalingo.Client.Scaler": "internal/hostiletest/platform_scalingo_test.go",
	"scalingo.Scaler": "internal/hostiletest/platform_scalingo_test.go",

	"cloudfoundry.NewClient": "internal/hostiletest/platform_cloudfoundry_test.go", "cloudfoundry.Client.Scaler": "internal/hostiletest/platform_cloudfoundry_test.go",
	"cloudfoundry.Scaler": "internal/hostiletest/platform_cloudfoundry_test.go",

	"pool.NewClient": "internal/hostiletest/platform_pool_test.go", "pool.Client.Scaler": "internal/hostiletest/platform_pool_test.go",
	"pool.Scaler":  "internal/hostiletest/platform_pool_test.go",
	"pool.FromEnv": own, // NewClient is it
	"pool.Pool":    own, // its own processes answer
	"pool.Prober":  own,

	"cloudrun.NewClient": byRun, "cloudrun.Client.Scaler": byRun, "cloudrun.Client.WorkerPool": byRun, "cloudrun.Scaler": byRun,

	"dokku.NewClient": byDokku, "dokku.Client.Scaler": byDokku, "dokku.Scaler": byDokku,

	"nomad.NewClient": byNomad, "nomad.Client.Scaler": byNomad, "nomad.Scaler": byNomad,
	"swarm.NewClient": bySwarm, "swarm.Client.Scaler": bySwarm, "swarm.Scaler": bySwarm,

	"ecs.NewClient": byECS, "ecs.Client.Scaler": byECS, "ecs.Scaler": byECS,
	"kubernetes.FromConfig": byKube, "kubernetes.Client.Scaler": byKube, "kubernetes.Scaler": byKube,
	"kubernetes.Client.Elector": "contrib/kubernetes/lease_hostile_test.go",
	"kubernetes.PodBoard":       "contrib/kubernetes/lease_hostile_test.go",
	"kubernetes.InCluster":      own, "kubernetes.FromKubeconfig": own, // they are FromConfig, of what the machine has
	"kubernetes.ProtectedElector.Unwrap": own, // it returns what the host gave

	"leader.SQL": bySQL, "leader.Open": bySQL, "leader.CreateTable": bySQL, "leader.MetricsBoard": bySQL,
	"leader.New": own, "leader.Static": own, "leader.Dyno": own, "leader.Index": own,
	"redis.New": byRedis, "redis.Lease": byRedis, "redis.MetricsBoard": byRedis,

	"status.Page": own, // TestAdmission and TestPaths of package status send it requests

	"heartbeat.Handler": "heartbeat/stranger_test.go", "heartbeat.Live": "heartbeat/stranger_test.go",
	"heartbeat.SQL": bySQL, "heartbeat.CreateTable": bySQL,
	"heartbeat.SQLTable": own, // SQL is it, of one table
	"heartbeat.Cache":    own, "heartbeat.Check": own, "heartbeat.Disk": own,
	"heartbeat.Dependency.Named": own, "heartbeat.Dependency.Within": own,

	"traffic.Traffic": own, "traffic.Shared": own, "traffic.CPU": own,
	"traffic.Traffic.Handler": "traffic/stranger_test.go",
}

// A door is an exported type with one of these methods, or an exported func that returns
// one of these types or takes a database.
var (
	doorMethods = []string{"Probe", "Notify", "Scale", "Acquire", "Publish", "ServeHTTP"}
	doorTypes   = []string{"Prober", "Notifier", "Scaler", "Elector", "Store", "Lease", "MetricsBoard", "Handler", "Dependency", "Client", "FuncType"}
)

// Every door is in a test against hostile servers. A new one must be added there, and to
// the table above.
func TestEveryDoorIsTested(t *testing.T) {
	const root = "../.."
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"internal", "testdata", "cmd", "bench", "examples", "sim"}, name) || strings.HasSuffix(name, "test")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.IsExported() {
				if door := doorOf(f); door != "" {
					found[parsed.Name.Name+"."+door] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for door := range found {
		file, known := tested[door]
		switch text, err := os.ReadFile(path.Join(root, file)); {
		case !known:
			t.Errorf("%s is in no test against hostile servers: add it to one, and to the table", door)
		case file == own:
		case err != nil:
			t.Errorf("%s: %v", door, err)
		case !strings.Contains(string(text), door) && !strings.Contains(string(text), door[strings.LastIndex(door, "."):]+"("):
			t.Errorf("%s does not name %s", file, door)
		}
	}
	for door := range tested {
		if !found[door] {
			t.Errorf("%s is in the table, and not in the library", door)
		}
	}
}

// doorOf returns what f is the door of, or "".
func doorOf(f *ast.FuncDecl) string {
	receiver := ""
	if f.Recv != nil {
		receiver = typeName(f.Recv.List[0].Type)
		if !ast.IsExported(receiver) {
			return ""
		}
		if slices.Contains(doorMethods, f.Name.Name) {
			return receiver
		}
		receiver += "."
	}
	var types []string
	if f.Type.Results != nil {
		for _, r := range f.Type.Results.List {
			types = append(types, typeName(r.Type))
		}
	}
	for _, p := range f.Type.Params.List {
		if star, ok := p.Type.(*ast.StarExpr); ok && typeName(star) == "DB" {
			types = append(types, "Store")
		}
	}
	for _, name := range types {
		if slices.Contains(doorTypes, name) && (receiver == "" || name != "Prober" && name != "Notifier") {
			return receiver + f.Name.Name
		}
	}
	return ""
}

// typeName returns the last name of a type, without pointers and packages.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	case *ast.FuncType:
		return "FuncType"
	}
	return ""
}
