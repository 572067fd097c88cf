package kubernetes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

const shopWeb = "autoscale-shop.web"

// run runs an elector until the test, or what it returns, ends it.
func run(t *testing.T, e *kubernetes.Elector) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return stop
}

func leads(e *kubernetes.Elector) bool {
	_, ok := e.Current()
	return ok
}

// without returns the least rules without one verb on one resource.
func without(resource, verb string) []kubetest.Rule {
	rules := electorRules(shopWeb)
	for i, r := range rules {
		if r.Resources[0] == resource {
			rules[i].Verbs = slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v == verb })
		}
	}
	return rules
}

// Each right of the least Role is needed, and the error of Run, or the log, says which is
// missing. Without watch the elector asks instead.
func TestMissingRights(t *testing.T) {
	for _, test := range []struct {
		resource, verb string
		leads, ends    bool
	}{
		{"leases", "get", false, true},
		{"leases", "create", false, true},
		{"leases", "patch", true, false}, // it leads by the Lease that it created, and cannot renew
		{"leases", "watch", true, false},
		{"configmaps", "get", false, true},
		{"configmaps", "create", false, true},
		{"configmaps", "patch", true, false}, // it saves nothing
		{"", "", true, false},
	} {
		t.Run(test.resource+" "+test.verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.NewPipeServer()
				defer s.Close()
				client := tokenClient(t, s, "a")
				s.AddAccount("a", kubetest.Account{Name: "system:serviceaccount:default:shop", Namespace: kubetest.DefaultNamespace, Rules: without(test.resource, test.verb)})
				var log bytes.Buffer
				e := client.Elector(&leader.Options{App: "shop", Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if err := e.SetDefaultName("web"); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				var led atomic.Bool
				time.AfterFunc(20*time.Second, func() { led.Store(leads(e)) })
				err := e.Run(ctx)
				if led.Load() != test.leads || (err != nil) != test.ends {
					t.Errorf("it led: %t, Run: %v", led.Load(), err)
				}
				if !test.ends {
					if missing := strings.Contains(log.String(), "may not "+test.verb+" "+test.resource); missing != (test.verb == "patch" && test.resource == "leases") {
						t.Errorf("the log says:\n%s", log.String())
					}
					return
				}
				var e2 *kubernetes.Error
				if !errors.As(err, &e2) || !strings.Contains(e2.Role(), fmt.Sprintf("verbs: [%q]", test.verb)) || !strings.Contains(e2.Role(), fmt.Sprintf("resources: [%q]", test.resource)) {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}

// A fault that does not pass by itself ends Run before the first success. Later it is tried
// again, and the elector leads when the fault is gone.
func TestPermanentFaults(t *testing.T) {
	for name, fault := range map[string]func(s *kubetest.Server) (undo func()){
		"no rights": func(s *kubetest.Server) func() {
			s.AddAccount("a", kubetest.Account{Name: "a"})
			return func() {
				s.AddAccount("a", kubetest.Account{Name: "a", Namespace: "default", Rules: electorRules(shopWeb)})
			}
		},
		"no namespace": func(s *kubetest.Server) func() {
			f := kubetest.Error(404, "NotFound", `namespaces "default" not found`)
			f.Times = -1
			s.Inject(f)
			s.Delete("Lease", "", shopWeb)
			return s.ClearFaults
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.NewPipeServer()
				defer s.Close()
				e := leastClient(t, s, "a").Elector(&leader.Options{Name: "shop/web", Logger: quiet})
				undo := fault(s)
				if err := e.Run(t.Context()); err == nil {
					t.Error("Run returned nil before the first success")
				}
				undo()
				stop := run(t, e)
				time.Sleep(time.Second)
				if !leads(e) {
					t.Error("it does not lead without a fault")
				}
				undo = fault(s)
				time.Sleep(10 * time.Minute)
				if leads(e) {
					t.Error("it leads although it cannot renew")
				}
				undo()
				time.Sleep(2 * time.Minute)
				if !leads(e) {
					t.Error("it does not lead two minutes after the fault")
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A transient fault never ends Run.
func TestTransientFaults(t *testing.T) {
	for name, fault := range map[string]kubetest.Fault{
		"500":              kubetest.Error(500, "InternalError", "etcdserver: request timed out"),
		"a wrong token":    kubetest.Error(401, "Unauthorized", "Unauthorized"),
		"too many":         kubetest.TooManyRequests(time.Second),
		"a reset":          {Reset: true},
		"silence":          {Hang: true},
		"half an answer":   {Truncate: true},
		"nothing in it":    {Status: 200, Body: "{}"},
		"an HTML page":     {Status: 502, Body: "<html>Bad Gateway</html>"},
		"a slow API":       {Delay: 20 * time.Second},
		"GOAWAY":           {GoAway: true},
		"conflict forever": kubetest.Error(409, "Conflict", "the object has been modified"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.NewPipeServer()
				defer s.Close()
				e := leastClient(t, s, "a").Elector(&leader.Options{Name: "shop/web", Logger: quiet})
				fault.Times = -1
				s.Inject(fault)
				stop := run(t, e)
				time.Sleep(5 * time.Minute)
				s.ClearFaults()
				time.Sleep(time.Minute)
				if !leads(e) {
					t.Error("it does not lead a minute after the fault")
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Validate and every call report what is wrong with how an Elector was made.
func TestElectorValidate(t *testing.T) {
	t.Setenv("HEROKU_APP_NAME", "")
	t.Setenv("FLY_APP_NAME", "")
	s := newServer(t)
	client := tokenClient(t, s, kubetest.Token)
	for name, test := range map[string]struct {
		e    *kubernetes.Elector
		want string
	}{
		"no name":      {client.Elector(nil), "neither Options.App nor Options.Name"},
		"a bad name":   {client.Elector(&leader.Options{Name: "a\nb"}), "Name is"},
		"a bad TTL":    {client.Elector(&leader.Options{Name: "a", TTL: 1}), "TTL is"},
		"no client":    {(*kubernetes.Client)(nil).Elector(&leader.Options{Name: "a"}), "Client was not made"},
		"not made":     {&kubernetes.Elector{}, "Elector was not made"},
		"bad options":  {kubernetes.FromConfig(nil, &kubernetes.Options{QPS: -1}).Elector(&leader.Options{Name: "a"}), "QPS"},
		"no config":    {kubernetes.FromConfig(nil, nil).Elector(&leader.Options{Name: "a"}), "rest.Config is nil"},
		"all is right": {client.Elector(&leader.Options{App: "shop"}), ""},
	} {
		err := test.e.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Validate: %v, want %q", name, err, test.want)
		}
		if err != nil && test.e.Run(t.Context()) == nil {
			t.Errorf("%s: Run returned nil", name)
		}
	}
	t.Setenv("K_SERVICE", "shop")
	if err := client.Elector(nil).Validate(); err != nil {
		t.Errorf("on a platform that names the application: %v", err)
	}
}
