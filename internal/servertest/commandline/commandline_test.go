// Package commandline has the tests of contrib/autoscalebot, which is built and run
// against the stores of real services.
package commandline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	goredis "github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/limit"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "autoscalebot")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "autoscalebot")
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Dir = "../../../contrib/autoscalebot"
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

type result struct {
	status         int
	stdout, stderr string
}

func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Dir = append([]string{"SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, environ...), t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the status is looked at
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// store is where a service keeps its state, as the service opens it and as the command does.
type store struct {
	url  string
	open func(opts *leader.Options) *leader.Elector
}

func stores(t *testing.T) map[string]func(t *testing.T) store {
	return map[string]func(t *testing.T) store{
		"sqlite": func(t *testing.T) store {
			file := filepath.Join(t.TempDir(), "a data base.db")
			return store{"sqlite:" + file, func(o *leader.Options) *leader.Elector {
				return leader.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(5000)", o)
			}}
		},
		"postgres": func(t *testing.T) store {
			dsn := servers.Postgres(t)
			return store{dsn, func(o *leader.Options) *leader.Elector { return leader.Open("pgx", dsn, o) }}
		},
		"pgbouncer": func(t *testing.T) store {
			dsn := servers.Postgres(t)
			return store{servers.PgBouncer(t, dsn), func(o *leader.Options) *leader.Elector { return leader.Open("pgx", dsn, o) }}
		},
		"redis": func(t *testing.T) store {
			address := servers.Redis(t)
			o, err := goredis.ParseURL(address)
			if err != nil {
				t.Fatal(err)
			}
			client := goredis.NewClient(o)
			t.Cleanup(func() { client.Close() })
			return store{address, func(o *leader.Options) *leader.Elector { return redis.New(client, o) }}
		},
	}
}

// service is an Autoscaler that runs, and what it orders.
type service struct {
	size, want atomic.Int64
	scaled     chan int
	events     chan autoscale.Event
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: int(s.size.Load())}, nil
}

func (s *service) Scale(_ context.Context, size int) error {
	s.size.Store(int64(size))
	s.scaled <- size
	return nil
}

func (s *service) Decide(autoscale.Observation) autoscale.Decision {
	return autoscale.Decision{Act: true, Size: int(s.want.Load()), Reason: autoscale.Reason{Code: "test"}}
}

// serve runs an Autoscaler that wants three processes and has two, until the test ends.
func serve(t *testing.T, st store, app string) *service {
	t.Helper()
	s := &service{scaled: make(chan int, 100), events: make(chan autoscale.Event, 10000)}
	s.size.Store(2)
	s.want.Store(3)
	a := autoscale.New(autoscale.Config{
		Name: "web", Scaler: s, Decider: s, Interval: 50 * time.Millisecond, Max: autoscale.Fixed(8), Logger: slog.New(slog.DiscardHandler),
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalBusy, Busy: 4.5}, nil
		}),
		Observe: func(e autoscale.Event) {
			select {
			case s.events <- e:
			default:
			}
		},
		Elector: st.open(&leader.Options{App: app, TTL: 6 * time.Second, Renew: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *service) scales(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-s.scaled:
		if got != want {
			t.Fatalf("scaled to %d, want %d", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("waited in vain for a scale to %d", want)
	}
}

func (s *service) sees(t *testing.T, what string, is func(autoscale.Event) bool) {
	t.Helper()
	for end := time.After(patience); ; {
		select {
		case e := <-s.events:
			if is(e) {
				return
			}
		case <-end:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestSteer: a command of the binary is obeyed by an Autoscaler that runs elsewhere, and
// both show who gave it.
func TestSteer(t *testing.T) {
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			app := fmt.Sprintf("quiet-river-%d", time.Now().UnixNano())
			environ := []string{"AUTOSCALE_STORE=" + st.url, "HEROKU_APP_NAME=" + app, "USER=alice"}
			s := serve(t, st, app)
			s.scales(t, 3)

			// does runs the binary, and returns what it printed.
			does := func(want string, args ...string) string {
				t.Helper()
				r := run(t, environ, args...)
				if r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, want) {
					t.Fatalf("%q: status %d, want 0, and %q in\n%s%s", args, r.status, want, r.stdout, r.stderr)
				}
				return r.stdout
			}
			// The leader saves the size that it ordered in the same tick or the next.
			for range 2 {
				s.sees(t, "a tick after that", func(e autoscale.Event) bool { return e.Kind == autoscale.Decided && e.From == 3 })
			}
			does(app+"/web 3 processes, bounds 1 to 8\nwhy ", "status")

			does("web is paused until ", "pause", "for", "2h")
			s.sees(t, "the pause", func(e autoscale.Event) bool {
				return e.Kind == autoscale.Paused && strings.Contains(e.Detail, "(by alice)")
			})
			s.want.Store(5)
			for range 3 {
				s.sees(t, "a tick that wants more and is paused", func(e autoscale.Event) bool {
					return e.Kind == autoscale.Decided && e.Decision.Size == 5 && e.Limit == limit.ByPause
				})
			}
			if n := s.size.Load(); n != 3 {
				t.Errorf("it has %d processes although it is paused, want 3", n)
			}
			does("(by alice)", "status")

			does("web is set to 4 until ", "override", "4", "for", "1h", "--by=bob")
			s.scales(t, 4)
			does("(by bob)", "events")

			does("web resumes, by alice", "resume")
			s.scales(t, 5)
			var doc struct {
				Autoscalers []struct {
					Size   int
					Events []struct{ Kind, Text string }
				}
			}
			// The leader saves what it ordered in the same tick or the next.
			for end := time.Now().Add(patience); ; {
				if err := json.Unmarshal([]byte(does("", "status", "--json")), &doc); err != nil || len(doc.Autoscalers) != 1 {
					t.Fatalf("status --json: %v, %+v", err, doc)
				}
				if doc.Autoscalers[0].Size == 5 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("the size is %d, want 5", doc.Autoscalers[0].Size)
				}
			}
			if all := fmt.Sprint(doc.Autoscalers[0].Events); !strings.Contains(all, "(by alice)") || !strings.Contains(all, "(by bob)") {
				t.Errorf("the events do not say who: %s", all)
			}

			// A mistyped name changes nothing, and the right one is offered.
			r := run(t, environ, "pause", "--name=wbe")
			if r.status != 1 || !strings.Contains(r.stderr, "--app="+app+" --name=web") {
				t.Errorf("status %d, want 1, and the right name in %s", r.status, r.stderr)
			}
			e := st.open(&leader.Options{Name: app + "/wbe"})
			if err := e.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r, _ := e.Record(); r.Command != nil {
				t.Errorf("a command was left for nobody: %s", r.Command)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const password = "hunter2secret"
	for _, tt := range []struct {
		environ, args string
		status        int
		want          string
	}{
		{"", "--store=sqlite:" + missing, 2, "give the file that the service uses"},
		{"", "--store=sqlite:", 2, "the URL names no file"},
		{"", "--store=sqlite:" + dir, 2, "is a folder"},
		{"", "--store=sqlite:" + text, 1, "not a database"},
		{"", "--store=sqlite:" + empty, 1, "its table autoscale_lease cannot be read"},
		{"", "--store=autoscale.db", 2, "--store is not a URL"},
		{"", "--store=mysql://h/d", 2, "this build opens stores whose URL begins with one of kubernetes, postgres, "},
		{"", "--store=postgre://h/d", 2, "is postgres meant?"},
		{"", "--store=postgres://u:" + password + "@127.0.0.1:1/d", 1, "can see the password in --store, with ps: set AUTOSCALE_STORE instead"},
		{"AUTOSCALE_STORE=postgres://u:" + password + "@127.0.0.1:1/d", "", 1, "refused"},
		{"AUTOSCALE_STORE=postgres://u:" + password + "%zz@127.0.0.1:1/d", "", 2, "AUTOSCALE_STORE: the URL cannot be read"},
		{"DATABASE_URL=redis://u:" + password + "@127.0.0.1:1/0", "", 1, "refused"},
		{"DATABASE_URL=redis://u:" + password + "@127.0.0.1:1/zero", "", 2, "DATABASE_URL: the URL cannot be read"},
		{"DATABASE_URL=redis://u:" + password + "@127.0.0.1:1/0", "--store=sqlite:" + missing, 2, "missing.db"},
	} {
		for _, sub := range []string{"status", "pause"} {
			r := run(t, []string{tt.environ}, strings.Fields(sub+" "+tt.args)...)
			if r.status != tt.status || r.stdout != "" || !strings.Contains(r.stderr, tt.want) {
				t.Errorf("%s %s %s: status %d, want %d; %s%q, want %q in it", tt.environ, sub, tt.args, r.status, tt.status, r.stdout, r.stderr, tt.want)
			}
			if strings.Contains(r.stderr, password) {
				t.Errorf("%s %s %s: the password is shown: %s", tt.environ, sub, tt.args, r.stderr)
			}
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the database that was missing was created")
	}
	if info, err := os.Stat(empty); err != nil || info.Size() > 0 {
		t.Errorf("the empty database was written to: %v, %v", info, err)
	}
}
