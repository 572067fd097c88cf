package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/ecs/ecstest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// clear empties the environment of credentials.
func clear(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
}

const role = `{"RoleArn":"arn:aws:iam::1:role/x","AccessKeyId":"ASIAX","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-02T03:04:05Z"}`

func endpoint(t *testing.T, status int, body string) (url string, seen *atomic.Value) {
	seen = new(atomic.Value)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v2/credentials/x", seen
}

func TestDefaultCredentials(t *testing.T) {
	clear(t)
	get := ecs.DefaultCredentials()
	if c, err := get(t.Context()); err == nil || !strings.Contains(err.Error(), "there are no credentials: give the task a role") {
		t.Errorf("%v, %v", c, err)
	}
	url, seen := endpoint(t, 200, role)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "one")
	c, err := get(t.Context())
	want := ecs.Credentials{AccessKeyID: "ASIAX", SecretAccessKey: "s", SessionToken: "t", Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	if err != nil || c != want || seen.Load() != "one" {
		t.Errorf("%v, %v, with the token %q", c, err, seen.Load())
	}
	file := filepath.Join(t.TempDir(), "token")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
	if _, err := get(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, token := range []string{"two\n", "three"} { // EKS replaces it
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := get(t.Context()); err != nil || seen.Load() != strings.TrimSpace(token) {
			t.Errorf("%v, with the token %q", err, seen.Load())
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
	if _, err := get(t.Context()); err == nil || !strings.Contains(err.Error(), "only one of") {
		t.Error(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	if c, err := get(t.Context()); err != nil || c != (ecs.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}) {
		t.Errorf("%v, %v", c, err)
	}
}

// A value that a shell would have taken the quotation marks off is refused, by its name.
func TestQuotedCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		for _, bad := range []string{`"zqx"`, "'zqx'", "zqx\r", " zqx"} {
			clear(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "s/+=")
			t.Setenv(name, bad)
			c, err := ecs.DefaultCredentials()(t.Context())
			if err == nil || c != (ecs.Credentials{}) || !strings.Contains(err.Error(), name+" has characters that no token has") || strings.Contains(err.Error(), "zqx") {
				t.Errorf("%s=%q: %v, %v", name, bad, c, err)
			}
		}
	}
}

// What the endpoint answers shows in no error, and is not followed elsewhere.
func TestContainerCredentialsRefuse(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{403, `{"code":"AccessDenied","message":"zqx"}`, "status 403 (AccessDenied)"},
		{500, `zqx`, "status 500 (no code)"},
		{302, ``, "status 302"},
		{200, `<html>zqx`, "is not JSON"},
		{200, `{"SecretAccessKey":"zqx"}`, "no AccessKeyId"},
		{200, `{"AccessKeyId":"zqx"}`, "no AccessKeyId or no SecretAccessKey"},
		{200, `{"AccessKeyId":"zqx","SecretAccessKey":"zqx","Expiration":"soon"}`, "is not JSON of the expected form"},
		{200, strings.Repeat("z", 1<<20), "is not JSON"},
	} {
		url, _ := endpoint(t, tt.status, tt.body)
		c, err := ecs.ContainerCredentials(url, nil)(t.Context())
		if err == nil || c != (ecs.Credentials{}) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d %.60s became %v, %v; want %q", tt.status, tt.body, c, err, tt.want)
			continue
		}
		platformsuite.Text(t, "the error", err.Error(), "zqx")
	}
	for _, url := range []string{"", "/x", "http://example.com/", "http://169.254.169.254/x", "http://169.254.170.20/", "ftp://127.0.0.1/", "http://%zz"} {
		if _, err := ecs.ContainerCredentials(url, nil)(t.Context()); err == nil || !strings.Contains(err.Error(), "the URL of the container's credentials") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := ecs.ContainerCredentials("http://[fd00:ec2::23]/", func() (string, error) { return "a\r\nb", nil })(t.Context()); err == nil || !strings.Contains(err.Error(), "more than one line") {
		t.Error(err)
	}
}

// Credentials are kept until five minutes before their end, one request at a time fetches
// them, and what is kept is good until its end if no others can be had.
func TestCredentialsAreKept(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 1})
	synctest.Test(t, func(t *testing.T) {
		var fetched, fail atomic.Int64
		credentials := func(ctx context.Context) (ecs.Credentials, error) {
			fetched.Add(1)
			time.Sleep(time.Second)
			if fail.Load() != 0 {
				return ecs.Credentials{}, errors.New("no credentials")
			}
			c, err := ecstest.Credentials(ctx)
			c.Expires = time.Now().Add(time.Hour)
			return c, err
		}
		client := ecs.NewClient(ecstest.Region, credentials, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
		read := func() error {
			_, err := client.Scaler("production", "web").Capacity(t.Context())
			return err
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := read(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := fetched.Load(); n != 1 {
			t.Errorf("fetched %d times", n)
		}
		fail.Store(1)
		time.Sleep(56 * time.Minute)
		if err := read(); err != nil || fetched.Load() < 2 {
			t.Errorf("four minutes before the end: %v, fetched %d times", err, fetched.Load())
		}
		time.Sleep(5 * time.Minute)
		if err := read(); err == nil || !strings.Contains(err.Error(), "the request was not sent: no credentials") {
			t.Errorf("after the end: %v", err)
		}
		fail.Store(0)
		if err := read(); err != nil {
			t.Error(err)
		}
	})
}

// Credentials that AWS refuses are fetched again, and the call is made again, once.
func TestCredentialsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		code  string
		times int
		fails bool
	}{
		{"ExpiredTokenException", 1, false},
		{"ExpiredToken", 1, false},
		{"com.amazon.coral.service#ExpiredTokenException", 1, false},
		{"UnrecognizedClientException", 1, false},
		{"InvalidClientTokenId", 1, false},
		{"InvalidSignatureException", 1, false},
		{"ExpiredTokenException", 2, true},
		{"UnrecognizedClientException", -1, true},
	} {
		s := ecstest.NewServer()
		s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 1})
		synctest.Test(t, func(t *testing.T) {
			fetched := 0
			client := ecs.NewClient(ecstest.Region, func(ctx context.Context) (ecs.Credentials, error) {
				fetched++
				c, err := ecstest.Credentials(ctx)
				c.Expires = time.Now().Add(time.Hour)
				return c, err
			}, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
			scaler := client.Scaler("production", "web")
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Inject(platformtest.Fault{Status: 400, Times: tt.times, Body: `{"__type":"` + tt.code + `"}`})
			before := len(s.Requests())
			if err := scaler.Scale(t.Context(), 3); (err != nil) != tt.fails {
				t.Errorf("%s, %d times: %v", tt.code, tt.times, err)
			}
			calls := 3 // of which one is refused, and one is the order
			if tt.fails {
				calls = 2
			}
			if n := len(s.Requests()) - before; n != calls || fetched != 2 {
				t.Errorf("%s, %d times: %d calls, credentials fetched %d times", tt.code, tt.times, n, fetched)
			}
		})
		s.Close()
	}
}

// Credentials that end while many use them are fetched again once, and no order is lost.
func TestRotation(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	for i := range 10 {
		s.AddService(ecstest.Service{Cluster: "production", Name: fmt.Sprint("web", i), Desired: 1})
	}
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		current, _ := ecstest.Credentials(t.Context())
		client := ecs.NewClient(ecstest.Region, func(context.Context) (ecs.Credentials, error) {
			fetched.Add(1)
			time.Sleep(time.Second)
			c := current
			c.Expires = time.Now().Add(time.Hour)
			return c, nil
		}, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
		for round := 1; round <= 3; round++ {
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					if err := client.Scaler("production", fmt.Sprint("web", i)).Scale(t.Context(), 1+round); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := fetched.Load(); n != int64(round) {
				t.Errorf("round %d: fetched %d times", round, n)
			}
			current = s.Rotate()
		}
	})
}

// A clock that is wrong is put right by what AWS says, and again once it is right.
func TestClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Minute, -3 * time.Minute, 6 * time.Minute, -6 * time.Minute, 26 * time.Hour, -26 * time.Hour} {
		s := ecstest.NewServer()
		s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 1})
		synctest.Test(t, func(t *testing.T) {
			scaler := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler("production", "web")
			for _, clock := range []time.Duration{ahead, ahead, 0} {
				s.SetClock(clock)
				if err := scaler.Scale(t.Context(), 3); err != nil {
					t.Errorf("AWS's clock is %v ahead: %v", clock, err)
				}
			}
			refused := 0
			for _, r := range s.Requests() {
				if r.Status != http.StatusOK {
					refused++
				}
			}
			if want := map[bool]int{false: 0, true: 2}[ahead.Abs() > 5*time.Minute]; refused != want {
				t.Errorf("%v ahead: %d refusals, want %d", ahead, refused, want)
			}
		})
		s.Close()
	}
}

// Bad credentials are an error that does not repeat them.
func TestBadCredentials(t *testing.T) {
	for _, c := range []ecs.Credentials{{}, {AccessKeyID: "AKIA"}, {AccessKeyID: "AKIA", SecretAccessKey: "zqx\nzqx"}} {
		client := ecs.NewClient(ecstest.Region, func(context.Context) (ecs.Credentials, error) { return c, nil }, nil)
		_, err := client.Scaler("production", "web").Capacity(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the credentials have") {
			t.Error(err)
			continue
		}
		platformsuite.Text(t, "the error", err.Error(), "zqx")
	}
}
