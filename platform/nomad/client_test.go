package nomad_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// nowhere is an environment that names no address.
func nowhere(t *testing.T) {
	for _, name := range []string{"NOMAD_ADDR", "NOMAD_SECRETS_DIR"} {
		t.Setenv(name, "")
	}
}

// Names reach Nomad whole, and nothing in them becomes a part of the request.
func TestNames(t *testing.T) {
	nowhere(t)
	s := nomadtest.NewServer()
	defer s.Close()
	c := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	for _, g := range []nomad.Group{
		{Job: "team/shop", Name: "web"},
		{Job: "shop/dispatch-1485379325-cb38d00d", Name: "web"},
		{Job: "100%", Name: "web"},
		{Job: "a%2Fb", Name: "web"},
		{Job: "shop?namespace=other#x", Name: "web"},
		{Job: "a+b&c=d;e:f@g", Name: "web"},
		{Job: "größe", Name: "the web/100%"},
		{Job: strings.Repeat("long", 100), Name: "web", Namespace: "production", Region: "eu"},
	} {
		s.AddJob(nomadtest.Job{ID: g.Job, Namespace: g.Namespace, Groups: map[string]nomadtest.Group{g.Name: {Count: 1}}})
		scaler := c.Scaler(g)
		if err := scaler.Scale(t.Context(), 2); err != nil || s.Count(g.Namespace, g.Job, g.Name) != 2 {
			t.Errorf("%+v: %v", g, err)
		}
		if got, err := scaler.Capacity(t.Context()); err != nil || got.Desired != 2 {
			t.Errorf("%+v: %+v, %v", g, got, err)
		}
		if n := s.Orders(g.Job); n != 1 {
			t.Errorf("%+v: %d orders", g, n)
		}
	}
	if n := s.Orders("shop"); n != 0 {
		t.Errorf("%d orders for a job whose id is a part of others", n)
	}
	for _, r := range s.Requests()[len(s.Requests())-4:] {
		if u, err := url.ParseRequestURI(r.Path); err != nil || u.RawQuery != "namespace=production&region=eu" {
			t.Errorf("%s, %v", r.Path, err)
		}
	}
	// The id of a job that ends like an operation is taken for the operation.
	s.AddJob(nomadtest.Job{ID: "shop/scale", Groups: map[string]nomadtest.Group{"web": {Count: 1}}})
	s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 1}}})
	if got, err := c.Scaler(nomad.Group{Job: "shop/scale", Name: "web"}).Capacity(t.Context()); err == nil {
		t.Errorf("%+v", got)
	}
}

// What was given wrongly is reported, all at once, before anything is sent.
func TestValidate(t *testing.T) {
	nowhere(t)
	err := nomad.NewClient("a b", &platform.Options{BaseURL: "http://nomad.example.com:4646", CallsPerHour: -1, AttemptTimeout: -1}).
		Scaler(nomad.Group{Job: "../x", Namespace: "*", Region: "a b"}).Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"the token given to nomad.NewClient has characters", "BaseURL is http", "CallsPerHour is -1", "AttemptTimeout is -1",
		`job "../x"`, `group ""`, `namespace "*"`, `region "a b"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	for _, job := range []string{"", "a b", "/a", "a/", "a//b", "a/./b", "..", "a\nb", "\xff", strings.Repeat("a", 501)} {
		if err := nomad.NewClient("", nil).Scaler(nomad.Group{Job: job, Name: "web"}).Validate(); err == nil || !strings.Contains(err.Error(), "the job ") || strings.Contains(err.Error(), job) && len(job) > 100 {
			t.Errorf("%q: %v", job, err)
		}
	}
	for _, address := range []string{"unix:", "unix://", "unix://secrets/api.sock", "unix:api.sock", "unix:///a?b=c", "unix://user@/a", "ftp://a", "nomad:4646"} {
		if err := nomad.NewClient("", &platform.Options{BaseURL: address}).Scaler(web).Validate(); err == nil || !strings.Contains(err.Error(), "Options.BaseURL") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"", "http://127.0.0.1:4646", "http://[::1]:4646/", "http://localhost:1", "https://nomad.example.com", "https://example.com/nomad", "unix:///secrets/api.sock"} {
		if err := nomad.NewClient("", &platform.Options{BaseURL: address}).Scaler(web).Validate(); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// taskAPI serves what s does at a Unix socket, as Nomad's Task API does. It refuses requests
// without a token. closed is told when a connection ends.
func taskAPI(t *testing.T, s *nomadtest.Server, closed chan<- bool) (secretsDir string) {
	dir, err := os.MkdirTemp("", "a?b%2F#c") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if !strings.HasPrefix(dir, "/") {
		t.Skip("the Task API is not looked for on Windows")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "api.sock"))
	if err != nil {
		t.Skip("there are no Unix sockets here: ", err)
	}
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	h := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Nomad-Token") == "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("Unauthorized"))
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	h.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- true
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Serve(l) }() // ends when h is closed
	t.Cleanup(func() { h.Close(); <-done })
	return dir
}

// In a task the client finds the Task API's socket by itself.
func TestTaskAPI(t *testing.T) {
	nowhere(t)
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "team/shop", Groups: map[string]nomadtest.Group{"web": {Count: 1}}})
	closed := make(chan bool, 100)
	t.Setenv("NOMAD_SECRETS_DIR", taskAPI(t, s, closed))
	c := nomad.NewClient(" "+nomadtest.Token+"\n", nil)
	scaler := c.Scaler(nomad.Group{Job: "team/shop", Name: "web"})
	if err := scaler.Scale(t.Context(), 3); err != nil || s.Count("", "team/shop", "web") != 3 {
		t.Error(err)
	}
	if got, err := scaler.Capacity(t.Context()); err != nil || got.Desired != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	c.CloseIdleConnections()
	<-closed
	c = nomad.NewClient("", nil)
	defer c.CloseIdleConnections()
	if _, err := c.Scaler(web).Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "401 Unauthorized: Unauthorized: Nomad's Task API answers no request without a token") {
		t.Error(err)
	}
	gone := "unix://" + filepath.Join(t.TempDir(), "gone.sock")
	c = nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: gone})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Scaler(web).Capacity(ctx); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Error(err)
	}
}

// No answer says what to do, at once if another try would have none either.
func TestNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		err   error
		tries int
		want  string
	}{
		{fs.ErrNotExist, 1, "the socket does not exist: Nomad 1.5 and later give a task one. Elsewhere, set NOMAD_ADDR"},
		{&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}, 1, "let the job's task block name the user"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, 3, "no Nomad agent listens there: check NOMAD_ADDR"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := nomad.NewClient(nomadtest.Token, &platform.Options{
				BaseURL:   "unix:///secrets/api.sock",
				Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.err }),
			})
			_, err := c.Scaler(web).Capacity(t.Context())
			var e *platform.Error
			if !errors.As(err, &e) || e.Tries != tt.tries || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q, after %d tries", err, tt.want, tt.tries)
			}
		})
	}
}

// The address is the option's, or else the environment's.
func TestAddress(t *testing.T) {
	nowhere(t)
	text := func(o *platform.Options) string {
		b, _ := nomad.NewClient("", o).MarshalJSON()
		return string(b)
	}
	check := func(got, want string) {
		t.Helper()
		if got != `"nomad.Client(`+want+`)"` {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check(text(nil), nomad.DefaultBaseURL)
	t.Setenv("NOMAD_SECRETS_DIR", `C:\alloc\secrets`)
	check(text(nil), nomad.DefaultBaseURL)
	t.Setenv("NOMAD_SECRETS_DIR", "/secrets")
	check(text(nil), "unix:///secrets/api.sock")
	t.Setenv("NOMAD_ADDR", "https://nomad.example.com:4646/")
	check(text(nil), "https://nomad.example.com:4646")
	check(text(&platform.Options{BaseURL: "https://other.example.com"}), "https://other.example.com")
	check(text(&platform.Options{BaseURL: "unix://nowhere"}), "not valid")
}

// A task knows its group, and the allocation with the index 0 leads without a store.
func TestSelf(t *testing.T) {
	for name, value := range map[string]string{
		"NOMAD_JOB_ID": "shop", "NOMAD_GROUP_NAME": "web", "NOMAD_NAMESPACE": "production", "NOMAD_REGION": "global",
		"NOMAD_ALLOC_ID": "8623ac7a-28ba-20c3-24a6-e615a39bbbf3", "NOMAD_ALLOC_INDEX": "0",
	} {
		t.Setenv(name, value)
	}
	g, alloc := nomad.Self()
	if want := (nomad.Group{Job: "shop", Name: "web", Namespace: "production", Region: "global"}); g != want || alloc != "8623ac7a-28ba-20c3-24a6-e615a39bbbf3" {
		t.Errorf("%+v, %q", g, alloc)
	}
	if _, leads := leader.Index("NOMAD_ALLOC_INDEX", 0).Current(); !leads {
		t.Error("the allocation 0 does not lead")
	}
	t.Setenv("NOMAD_ALLOC_INDEX", "1")
	if _, leads := leader.Index("NOMAD_ALLOC_INDEX", 0).Current(); leads {
		t.Error("the allocation 1 leads")
	}
}

// Without a token no header is sent. What a proxy answers is not repeated.
func TestHeader(t *testing.T) {
	for _, token := range []string{"", nomadtest.Token} {
		var sent http.Header
		c := nomad.NewClient(token, &platform.Options{BaseURL: "https://nomad.example.com", Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			sent = req.Header
			return platformtest.Answer(404, "<html>this is a proxy").RoundTrip(req)
		})})
		_, err := c.Scaler(web).Capacity(t.Context())
		if err == nil || strings.Contains(err.Error(), "proxy") {
			t.Error(err)
		}
		if values, ok := sent["X-Nomad-Token"]; ok != (token != "") || sent.Get("X-Nomad-Token") != token || sent.Get("Authorization") != "" {
			t.Errorf("%q was sent", values)
		}
	}
}

// An answer that lacks what it must have is an error and not a size.
func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, shop(nomadtest.Group{Count: 1}))
	status := func(group string) string {
		return `{"JobID":"shop","JobModifyIndex":7,"TaskGroups":{"web":` + group + `}}`
	}
	const full = `{"Desired":2,"Placed":2,"Running":2,"Healthy":2,"Unhealthy":0,"Events":null}`
	for body, want := range map[string]string{
		`{"JobID":"shop"}`:                                     "no TaskGroups",
		`{"TaskGroups":{}}`:                                    "no JobID",
		`{"JobID":"shops","TaskGroups":{}}`:                    `about the job "shops"`,
		`{"JobID":"shop","TaskGroups":{}}`:                     "no such group",
		status(`null`):                                         "no such group",
		status(`{}`):                                           "no number Desired",
		status(strings.Replace(full, "2", "null", 1)):          "no number Desired",
		status(strings.Replace(full, "2", "-1", 1)):            "Desired of -1",
		status(strings.Replace(full, "2", "9999999", 1)):       "Desired of 9999999",
		status(strings.Replace(full, "2", `"2"`, 1)):           "where the API has a int",
		status(strings.Replace(full, `,"Unhealthy":0`, "", 1)): "no number Unhealthy",
		strings.Repeat(" ", 5<<20):                             "more than",
	} {
		s.ClearFaults()
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 600 {
			t.Errorf("%.100s became %+v, %v; want %q", body, c, err, want)
		}
	}
	for body, want := range map[string]string{
		`{}`:             "no ID",
		`{"ID":"shops"}`: `about the job "shops"`,
		`{"ID":"shop"}`:  `type of the job is ""`,
		`{"ID":"shop","Type":"service","ParameterizedJob":{}}`: "periodic or parameterized",
	} {
		s.ClearFaults()
		s.Inject(platformtest.Fault{Path: "/v1/job/shop", Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %+v, %v; want %q", body, c, err, want)
		}
	}
	for _, size := range []int{-1, 1_000_001} {
		if err := scaler.Scale(t.Context(), size); err == nil || s.Orders("shop") != 0 {
			t.Errorf("%d: %v", size, err)
		}
	}
	s.Inject(platformtest.Fault{Method: "PUT", Status: 200, Body: `{}`})
	if err := scaler.Scale(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "no JobModifyIndex") {
		t.Error(err)
	}
	// A job of some megabytes is read.
	s.ClearFaults()
	s.Change("", "shop", func(*nomadtest.Job) {})
	s.Inject(platformtest.Fault{Path: "/v1/job/shop", Status: 200, Body: `{"ID":"shop","Type":"service","Meta":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`})
	if c, err := scaler.Capacity(t.Context()); err != nil || c.Desired != 1 || !c.Changed.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
}

// Neither a Client nor its errors show a token, also if it was given for a name.
func TestSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJub21hZF9qb2JfaWQiOiJzaG9wIn0.c2lnbmF0dXJl"
		leaky := roundTripper(func(req *http.Request) (*http.Response, error) {
			return nil, errors.New("sending " + req.Header.Get("X-Nomad-Token") + " with " + jwt)
		})
		c := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: "https://nomad.example.com", Transport: leaky, TokenName: jwt})
		s := c.Scaler(web)
		_, err := s.Capacity(t.Context())
		if err == nil || !strings.Contains(err.Error(), "sending [redacted] with [redacted]") {
			t.Error(err)
		}
		for _, secret := range []string{nomadtest.Token, jwt} {
			wrong := c.Scaler(nomad.Group{Job: secret, Name: "a " + secret, Namespace: secret, Region: secret})
			if wrong.Validate() == nil {
				t.Errorf("%q is a name", secret)
			} else {
				platformsuite.Text(t, "Validate", strings.ReplaceAll(wrong.Validate().Error(), "\n", " "), nomadtest.Token, jwt)
			}
			socket := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: "unix:///" + secret})
			platformsuite.Hidden(t, []string{nomadtest.Token, jwt}, c, *c, s, wrong, err, socket)
		}
		for err := err; err != nil; err = errors.Unwrap(err) {
			platformsuite.Text(t, "the error", err.Error(), nomadtest.Token, jwt)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Whatever Nomad answers, Capacity returns a size within reason or an error, and does not panic.
func FuzzCapacity(f *testing.F) {
	const (
		scale       = `{"JobID":"shop","JobCreateIndex":3,"JobModifyIndex":7,"TaskGroups":{"web":{"Desired":2,"Placed":1,"Running":1,"Healthy":1,"Unhealthy":1,"Events":[{"Time":1,"Meta":{"nomad_policy_id":"a"}}]}}}`
		job         = `{"ID":"shop","Type":"service","ModifyIndex":7,"SubmitTime":1,"TaskGroups":[{"Name":"web","Scaling":{"Enabled":true,"Policy":{"a":1}}}]}`
		deployment  = `{"JobID":"shop","JobCreateIndex":3,"Status":"running"}`
		evaluations = `[{"Status":"blocked","FailedTGAllocs":{"web":{"NodesEvaluated":1,"DimensionExhausted":{"cpu":1}}}}]`
	)
	f.Add(200, scale, job, deployment, evaluations)
	f.Add(200, strings.Replace(scale, "2", "1e3", 1), job, "null", "null")
	f.Add(400, "job scaling blocked due to active deployment", "", "", "")
	f.Fuzz(func(t *testing.T, status int, scale, job, deployment, evaluations string) {
		if status < 200 || status > 499 || status == 429 {
			return
		}
		answers := roundTripper(func(req *http.Request) (*http.Response, error) {
			body := job
			for end, other := range map[string]string{"/scale": scale, "/deployment": deployment, "/evaluations": evaluations} {
				if strings.HasSuffix(req.URL.Path, end) {
					body = other
				}
			}
			return platformtest.Answer(status, body).RoundTrip(req)
		})
		synctest.Test(t, func(t *testing.T) {
			s := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: "http://127.0.0.1", Transport: answers}).Scaler(web)
			for range 3 {
				c, err := s.Capacity(t.Context())
				if err == nil && (status/100 != 2 || c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired) || err != nil && c != (autoscale.Capacity{}) {
					t.Errorf("%d %q became %+v, %v", status, scale, c, err)
				}
				if err != nil {
					platformsuite.Text(t, "the error", err.Error())
				}
				time.Sleep(11 * time.Minute)
			}
			if err := s.Scale(t.Context(), 9); err != nil {
				platformsuite.Text(t, "the error", err.Error())
			}
		})
	})
}
