package cloudfoundry_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

func TestUAAMoves(t *testing.T) {
	s, scaler := serve(t, cftest.App{})
	s.Inject(platformtest.Fault{Path: "/", Status: 200, Body: `{"links":{"uaa":{"href":"` + s.URL + `/old"}}}`})
	if _, err := scaler.Capacity(t.Context()); err == nil {
		t.Error("a token from an address where there is no UAA")
	}
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGrants(t *testing.T) {
	for _, tt := range []struct {
		name  string
		creds cloudfoundry.Credentials
	}{
		{"client credentials", cftest.Credentials()},
		{"password", cloudfoundry.Credentials{Username: cftest.Username, Password: cftest.Password}},
		{"refresh token, which is replaced", cloudfoundry.Credentials{RefreshToken: cftest.RefreshToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := cftest.NewServer()
			defer s.Close()
			synctest.Test(t, func(t *testing.T) {
				s.AddApp(cftest.App{Processes: map[string]int{"web": 1}})
				scaler := inMemory(s, tt.creds)
				granted := func() int { return s.Count("POST", "/oauth/token") }
				for range 60 {
					if _, err := scaler.Capacity(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(30 * time.Second)
				}
				if granted() != 4 { // of ten minutes each, less a minute
					t.Errorf("%d tokens in half an hour", granted())
				}
				s.Revoke()
				if err := scaler.Scale(t.Context(), 2); err != nil || granted() != 5 {
					t.Errorf("revoked: %v, %d tokens", err, granted())
				}
				if n := s.Count("GET", "/"); n != 1 {
					t.Errorf("the API's root was read %d times", n)
				}
			})
		})
	}
}

func TestWhereTheSecretGoes(t *testing.T) {
	for body, want := range map[string]string{
		`{"links":{"uaa":{"href":"https://uaa.example.com"}}}`:                      "uaa.example.com",
		`{"links":{"login":{"href":"https://login.example.com"},"uaa":null}}`:       "login.example.com",
		`{"links":{"uaa":{"href":"http://uaa.example.com"}}}`:                       "",
		`{"links":{"uaa":{"href":"https://u:p@uaa.example.com"}}}`:                  "",
		`{"links":{"uaa":{"href":"javascript:` + strings.Repeat("x", 9000) + `"}}}`: "",
		`{"links":{}}`: "",
		`{}`:           "",
	} {
		var hosts []string
		c := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: "https://api.example.com", Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("Authorization") == "" && req.URL.Path == "/" {
				return platformtest.Answer(200, body).RoundTrip(req)
			}
			hosts = append(hosts, req.URL.Host)
			return platformtest.Answer(401, `{"error":"invalid_client"}`).RoundTrip(req)
		})})
		_, err := c.Scaler(guid, "web").Capacity(t.Context())
		if got := strings.Join(hosts, " "); err == nil || got != want {
			t.Errorf("%.80s: the secret went to %q: %v", body, got, err)
		}
		platformsuite.Text(t, "error", err.Error(), cftest.ClientSecret, "u:p")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		creds cloudfoundry.Credentials
		want  string
	}{
		{cloudfoundry.Credentials{}, "CF: there are none"},
		{cloudfoundry.Credentials{ClientID: "a"}, "is empty: give both"},
		{cloudfoundry.Credentials{Username: "a"}, "is empty: give both"},
		{cloudfoundry.Credentials{RefreshToken: "a", Password: "b"}, "give one of them"},
		{cloudfoundry.Credentials{RefreshToken: "a b"}, "characters that no token has"},
		{cloudfoundry.Credentials{ClientID: "a", ClientSecret: "b", UAAURL: "http://uaa.example.com"}, "Credentials.UAAURL is http"},
		{cloudfoundry.Credentials{ClientID: "a", ClientSecret: "b", AutoscalerURL: "ftp://x"}, "Credentials.AutoscalerURL is not"},
	} {
		err := cloudfoundry.NewClient(tt.creds, &platform.Options{BaseURL: "https://api.example.com", TokenName: "CF"}).Scaler(guid, "web").Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.creds, err, tt.want)
		}
	}
	t.Setenv("VCAP_APPLICATION", "")
	err := cloudfoundry.NewClient(cftest.Credentials(), nil).Scaler("shop", "w/b").Validate()
	for _, want := range []string{"Options.BaseURL is empty, and VCAP_APPLICATION has no cf_api", `"shop" is not a GUID`, `process type "w/b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzGrant(f *testing.F) {
	f.Add(`{"links":{"uaa":{"href":"http://127.0.0.1:1"}},"access_token":"a","expires_in":599}`)
	f.Add(`{"links":{"login":{"href":"http://127.0.0.1:1/x"}},"access_token":"a","expires_in":-1e300,"refresh_token":"\u0000"}`)
	f.Fuzz(func(t *testing.T, body string) {
		transport := platformtest.Answer(200, body)
		synctest.Test(t, func(t *testing.T) {
			scaler := cloudfoundry.NewClient(cloudfoundry.Credentials{RefreshToken: cftest.RefreshToken}, &platform.Options{BaseURL: "http://127.0.0.1:1", Transport: transport}).Scaler(guid, "web")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 2 {
				if _, err := scaler.Capacity(ctx); err != nil {
					platformsuite.Text(t, "error", err.Error(), cftest.RefreshToken)
				}
			}
		})
	})
}
