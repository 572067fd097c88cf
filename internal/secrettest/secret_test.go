package secrettest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/notify/email"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/pool"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/swarm"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/settings"
	"github.com/autoscalebot/autoscale/status"
	"github.com/autoscalebot/autoscale/traffic"
)

// sentinel is in every field that can hold a secret. It looks like nothing else.
const sentinel = "zqxSENTINELxqz"

// secretURL has it wherever a URL can.
const secretURL = "https://" + sentinel + "a:" + sentinel + "b@127.0.0.1:1/" + "?token=" + sentinel + "c"

// public are the fields that are shown, and so must not hold a secret. Every other field
// of a text is filled with the sentinel.
var public = []string{
	"probe.JSON.Path",
	"probe.SQLBacklog.Query",
	"leader.Options.Name", "leader.Options.App", "leader.Options.Holder", "leader.Options.Dialect",
	"email.Config.From", "email.Config.To", "email.Config.Subject", "email.Config.HELO",
	"settings.Options.File",
	"heroku.Options.TokenName", "platform.Options.TokenName",
	"pool.Options.Name",
	"status.Options.Title",
}

// structs are the exported types with fields that can hold a secret, each made anew.
// A field that is added to one is covered.
var structs = []func() any{
	func() any { return new(probe.HTTP) },
	func() any { return new(probe.JSON) },
	func() any { return &probe.SQLBacklog{DB: database()} },
	func() any { return &probe.SQLPool{DB: database()} },
	func() any { return new(notify.WebhookOptions) },
	func() any { return new(notify.ChatOptions) },
	func() any { return new(heroku.Options) },
	func() any { return new(platform.Options) },
	func() any { return new(cloudfoundry.Credentials) },
	func() any { return new(pool.Options) },
	func() any { return new(ecs.Credentials) },
	func() any { return new(leader.Options) },
	func() any { return new(email.Config) },
	func() any { return new(settings.Options) },
	func() any { return new(status.Options) },
	func() any { return new(traffic.Options) },
}

// made are values that were made with secrets.
var made = map[string]func() any{
	"heroku.Client":          func() any { return heroku.NewClient(sentinel, nil) },
	"heroku.Client, bad URL": func() any { return heroku.NewClient(sentinel, &heroku.Options{BaseURL: secretURL}) },
	"heroku.Client, bad": func() any {
		return heroku.NewClient(`"`+sentinel+`"`, &heroku.Options{BaseURL: "http://[" + secretURL})
	},
	"cloudrun.Client":      func() any { return cloudrun.NewClient(googleToken, full[platform.Options]()) },
	"cloudrun.Client, bad": func() any { return cloudrun.NewClient(badToken, nil).Scaler("my-project", "europe-west1", "a") },
	"cloudrun.Scaler":      func() any { return cloudrun.NewClient(googleToken, nil).Scaler("my-project", "europe-west1", "a") },
	"swarm.Client":         func() any { return swarm.NewClient(sentinel, full[platform.Options]()) },
	"swarm.Client, bad":    func() any { return swarm.NewClient("", &platform.Options{BaseURL: secretURL}).Scaler("a") },
	"swarm.Scaler":         func() any { return swarm.NewClient(sentinel, nil).Scaler("web") },
	"ecs.Client":           func() any { return ecs.NewClient("eu-west-1", awsCredentials, full[platform.Options]()) },
	"ecs.Client, bad":      func() any { return ecs.NewClient("eu-west-1", badCredentials, nil).Scaler("a", "b") },
	"ecs.Scaler":           func() any { return ecs.NewClient("eu-west-1", awsCredentials, nil).Scaler("a", "b") },
	"pool.Client":          func() any { return pool.NewClient(sentinel, nil) },
	"pool.Client, bad":     func() any { return pool.NewClient(sentinel, &platform.Options{BaseURL: secretURL}) },
	"pool.Scaler":          func() any { return pool.NewClient(sentinel, nil).Scaler() },
	"pool.Pool":            func() any { return pool.New(*full[pool.Options]()) },
	"heroku.Scaler":        func() any { return heroku.NewClient(sentinel, nil).Scaler("shop", "web") },
	"heroku.Scaler, bad":   func() any { return heroku.NewClient(sentinel, nil).Scaler(sentinel, sentinel) },
	"scalingo.Client":      func() any { return scalingo.NewClient(sentinel, nil) },
	"scalingo.Client, bad": func() any { return scalingo.NewClient(`"`+sentinel, full[platform.Options]()) },
	"scalingo.Scaler":      func() any { return scalingo.NewClient(sentinel, nil).Scaler("shop", "web") },
	"scalingo.Scaler, bad": func() any { return scalingo.NewClient(sentinel, nil).Scaler(sentinel, sentinel) },
	"cloudfoundry.Client": func() any {
		return cloudfoundry.NewClient(cloudfoundry.Credentials{ClientID: "a", ClientSecret: sentinel}, &platform.Options{BaseURL: "https://api.example.com"})
	},
	"cloudfoundry.Client, bad": func() any { return cloudfoundry.NewClient(*full[cloudfoundry.Credentials](), full[platform.Options]()) },
	"cloudfoundry.Scaler": func() any {
		return cloudfoundry.NewClient(cloudfoundry.Credentials{RefreshToken: sentinel}, nil).Scaler(sentinel, "web")
	},
	"cloudfoundry.Scaler, bad": func() any {
		return cloudfoundry.NewClient(*full[cloudfoundry.Credentials](), nil).Scaler(sentinel, sentinel)
	},
	"fly.Client":           func() any { return fly.NewClient("FlyV1 fm2_"+sentinel, nil) },
	"fly.Client, bad":      func() any { return fly.NewClient("'"+sentinel, full[platform.Options]()) },
	"fly.Scaler":           func() any { return fly.NewClient(sentinel, nil).Scaler("shop", "web") },
	"fly.Scaler, bad":      func() any { return fly.NewClient(sentinel, nil).Scaler(sentinel, sentinel) },
	"render.Client":        func() any { return render.NewClient(sentinel, nil) },
	"render.Client, bad":   func() any { return render.NewClient(`"`+sentinel, full[platform.Options]()) },
	"render.Scaler":        func() any { return render.NewClient(sentinel, nil).Scaler("srv-a") },
	"render.Scaler, bad":   func() any { return render.NewClient(sentinel, nil).Scaler(sentinel) },
	"nomad.Client":         func() any { return nomad.NewClient(sentinel, nil) },
	"nomad.Client, bad":    func() any { return nomad.NewClient(`"`+sentinel, full[platform.Options]()) },
	"nomad.Client, socket": func() any { return nomad.NewClient(sentinel, &platform.Options{BaseURL: "unix:///" + sentinel}) },
	"nomad.Scaler":         func() any { return nomad.NewClient(sentinel, nil).Scaler(nomad.Group{Job: "shop", Name: "web"}) },
	"nomad.Scaler, bad": func() any {
		return nomad.NewClient(sentinel, nil).Scaler(*full[nomad.Group]())
	},
	"notify.Webhook":       func() any { return notify.Webhook(secretURL, *full[notify.WebhookOptions]()) },
	"notify.Webhook, bad":  func() any { return notify.Webhook(":"+secretURL, *full[notify.WebhookOptions]()) },
	"notify.Webhook, http": func() any { return notify.Webhook("http://"+sentinel+"@example.com", notify.WebhookOptions{}) },
	"notify.Slack":         func() any { return notify.Slack("https://hooks.example.com/services/" + sentinel) },
	"notify.Slack, full": func() any {
		return notify.Slack("https://hooks.example.com/services/"+sentinel, *full[notify.ChatOptions]())
	},
	"notify.SlackBot":       func() any { return notify.SlackBot(sentinel, "C1", notify.ChatOptions{BaseURL: "http://127.0.0.1:1"}) },
	"notify.SlackBot, bad":  func() any { return notify.SlackBot(sentinel+"\n", "C1", *full[notify.ChatOptions]()) },
	"notify.SlackBot, full": func() any { return notify.SlackBot(sentinel, "C1", *full[notify.ChatOptions]()) },
	"notify.Discord":        func() any { return notify.Discord(secretURL) },
	"notify.Discord, full":  func() any { return notify.Discord(secretURL, *full[notify.ChatOptions]()) },
	"notify.Teams":          func() any { return notify.Teams(secretURL) },
	"notify.Teams, bad":     func() any { return notify.Teams(":" + secretURL) },
	"notify.Only":           func() any { return notify.Only(notify.Slack("https://hooks.example.com/"+sentinel), autoscale.Scaled) },
	"email.New": func() any {
		return email.New(email.Config{URL: "smtp://u:" + sentinel + "@127.0.0.1:1", From: "a@example.com", To: []string{"b@example.com"}})
	},
	"email.New, bad": func() any {
		return email.New(email.Config{URL: "smtp://u:" + sentinel + "@[", From: "a@example.com", To: []string{"b@example.com"}})
	},
	"leader.SQL": func() any { return leader.SQL(database(), nil) },
	"traffic.Shared": func() any {
		return &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: leader.MetricsBoard(database(), nil), Member: "web.1"}
	},
	"leader.MetricsBoard":     func() any { return leader.MetricsBoard(database(), nil) },
	"status.Page":             func() any { return status.Handler(nil, full[status.Options]()) },
	"autoscale.Config":        func() any { return config() },
	"autoscale.Config, a ptr": func() any { c := config(); return &c },
	"autoscale.Autoscaler":    func() any { return autoscale.New(config()) },
	"autoscale.Group":         func() any { return autoscale.NewGroup(config(), config()) },
	"autoscale.Status":        func() any { return autoscale.New(config()).Status() },
	"settings.Settings": func() any {
		s, err := settings.Load(settings.Options{Environ: []string{
			"AUTOSCALE_HEROKU_APP_NAME=shop", "HEROKU_API_KEY=" + sentinel, "HEARTBEAT_URL=" + secretURL,
		}})
		if err != nil {
			return err
		}
		return s
	},
	"settings.Load, bad": func() any {
		_, err := settings.Load(settings.Options{Environ: []string{
			"HEROKU_API_KEY='" + sentinel, "HEARTBEAT_URL=http://[" + sentinel, "HEROKU_API_URL=http://u:" + sentinel + "@example.com",
			"AUTOSCALE_NOTIFICATION_BACKENDS=slack", "SLACK_URL=" + sentinel, "AUTOSCALE_SECRET=" + sentinel,
		}})
		return err
	},
}

func googleToken(context.Context) (string, time.Time, error) { return sentinel, time.Time{}, nil }

func badToken(context.Context) (string, time.Time, error) { return sentinel + "\n", time.Time{}, nil }

func awsCredentials(context.Context) (ecs.Credentials, error) { return *full[ecs.Credentials](), nil }

func badCredentials(context.Context) (ecs.Credentials, error) {
	return ecs.Credentials{AccessKeyID: "AKIA", SecretAccessKey: sentinel + "\n"}, nil
}

func config() autoscale.Config {
	p := full[probe.HTTP]
	prober := &probe.HTTP{URL: secretURL, Header: p().Header}
	return autoscale.Config{
		Prober:    prober,
		Scaler:    heroku.NewClient(sentinel, nil).Scaler("shop", "web"),
		Notifiers: []autoscale.Notifier{notify.Slack("https://hooks.example.com/" + sentinel)},
		Elector:   leader.SQL(database(), nil),
	}
}

func TestNoSecretShows(t *testing.T) {
	for _, make := range structs {
		p := reflect.ValueOf(make())
		fill(p.Elem(), p.Elem().Type().String())
		name := p.Elem().Type().String()
		hidden(t, "*"+name, p.Interface())
		if !strings.HasPrefix(name, "probe.HTTP") && !strings.HasPrefix(name, "probe.JSON") && name != "probe.SQLPool" { // which must not be copied
			hidden(t, name, p.Elem().Interface())
		}
	}
	for name, make := range made {
		hidden(t, name, make())
	}
}

// hidden formats v in all ways, and calls what returns an error.
func hidden(t *testing.T, name string, v any) {
	t.Helper()
	texts := map[string]string{}
	// Neither %p nor a field that is not exported lets a type choose what is shown.
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t", "%08.3f", "%c", "%U"} {
		texts[verb] = fmt.Sprintf(verb, v)
		texts[verb+" in a slice"] = fmt.Sprintf(verb, []any{v})
		texts[verb+" in a struct"] = fmt.Sprintf(verb, struct{ V any }{v})
	}
	text, err := json.Marshal(v)
	texts["JSON"] = string(text) + fmt.Sprint(err)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "v", v, slog.Group("g", "v", v))
	}
	texts["slog"] = log.String()
	texts["panic"] = func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		panic(v)
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, ok := v.(interface{ Validate() error }); ok {
		texts["Validate"] = everyWay(v.Validate())
	}
	if v, ok := v.(autoscale.Prober); ok {
		_, err := v.Probe(t.Context())
		texts["Probe"] = everyWay(err)
	}
	if v, ok := v.(autoscale.Notifier); ok {
		texts["Notify"] = everyWay(v.Notify(ctx, autoscale.Event{}))
	}
	if v, ok := v.(autoscale.Scaler); ok {
		_, err := v.Capacity(ctx)
		texts["Scaler"] = everyWay(errors.Join(err, v.Scale(ctx, 1)))
	}
	for way, text := range texts {
		for _, secret := range []string{sentinel, hex.EncodeToString([]byte(sentinel)), strings.ToUpper(hex.EncodeToString([]byte(sentinel)))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s, %s: %.300s", name, way, text)
				break
			}
		}
	}
}

func everyWay(err error) string {
	text, _ := json.Marshal(err)
	return fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err, text)
}

func full[T any]() *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), reflect.TypeFor[T]().String())
	return v
}

// fill puts the sentinel into each exported field that can hold it.
func fill(v reflect.Value, name string) {
	for i := range v.NumField() {
		f, field := v.Field(i), v.Type().Field(i)
		if !field.IsExported() || slices.Contains(public, name+"."+field.Name) {
			continue
		}
		switch at := f.Addr().Interface().(type) {
		case *http.Header:
			*at = http.Header{"Authorization": {"Bearer " + sentinel}, "X-Key": {sentinel}}
			continue
		case *http.RoundTripper:
			*at = tripper{sentinel}
			continue
		case *map[string]string:
			*at = map[string]string{"user": sentinel}
			continue
		case **http.Client:
			*at = &http.Client{Transport: tripper{sentinel}}
			continue
		case **tls.Config:
			continue
		}
		switch {
		case f.Kind() == reflect.String && strings.Contains(field.Name, "URL"):
			f.SetString(secretURL)
		case f.Kind() == reflect.String:
			f.SetString(sentinel)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
			f.Set(reflect.ValueOf([]string{"KEY=" + sentinel}))
		}
	}
}

// A tripper is a transport of the host's own that holds a secret.
type tripper struct{ Token string }

func (tripper) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

// database returns a pool whose connector holds a secret.
func database() *sql.DB { return sql.OpenDB(connector{"postgres://u:" + sentinel + "@db"}) }

type connector struct{ DSN string }

func (connector) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no database") }
func (connector) Driver() driver.Driver                        { return nil }
