package settings

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/notify/email"
)

// The functions here make readers of one kind of value each. A reader's error is
// the rest of a sentence that begins with the setting and its value.

// app, apiKey, process and apiURL leave it to the package heroku what is valid,
// and put it into words that fit a setting.

func app(v *values, s string) error {
	if heroku.NewClient("t", nil).Scaler(s, autoscale.DefaultName).Validate() != nil {
		return errors.New("it must be the name of an app, 3 to 30 lower-case letters, digits and dashes, or its id, a UUID: `heroku apps` lists the names")
	}
	v.app = s
	return nil
}

func apiKey(v *values, s string) error {
	if heroku.NewClient(s, nil).Scaler("app", autoscale.DefaultName).Validate() != nil {
		return errors.New("it has characters that no token has, such as quotation marks or white space: give the token alone")
	}
	v.apiKey = s
	return nil
}

func process(v *values, s string) error {
	if heroku.NewClient("t", nil).Scaler("app", s).Validate() != nil {
		return errors.New("it must be a process type of the Procfile, as web: letters, digits, dashes and underscores")
	}
	v.process = s
	return nil
}

func store(v *values, s string) error {
	if scheme, rest, ok := strings.Cut(s, ":"); !ok || scheme == "" || rest == "" {
		return errors.New("it must be a URL, as postgres://user:password@host/database or sqlite:FILE")
	}
	v.store = s
	return nil
}

func apiURL(v *values, s string) error {
	if heroku.NewClient("t", &heroku.Options{BaseURL: s}).Scaler("app", autoscale.DefaultName).Validate() != nil {
		return errors.New("it must be an https URL without user or query, as " + heroku.DefaultBaseURL + " (http only on this machine)")
	}
	v.apiURL = s
	return nil
}

// token reads a secret word that can stand in a header.
func token(to func(*values) *string) reader {
	return func(v *values, s string) error {
		for _, r := range s {
			if r <= ' ' || r > '~' {
				return errors.New("it must be one word of letters, digits and signs, without white space")
			}
		}
		*to(v) = s
		return nil
	}
}

// whole reads a whole number of at least least.
func whole(least int, to func(*values) *int) reader {
	return func(v *values, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return fmt.Errorf("it must be a whole number, %d or more", least)
		}
		*to(v) = n
		return nil
	}
}

// streak reads a number of samples in a row. A negative number is never reached.
func streak(to func(*values) *int) reader {
	return func(v *values, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n == 0 {
			return errors.New("it must be a whole number, 1 or more, or -1 for never")
		}
		*to(v) = n
		return nil
	}
}

// maxDuration bounds what is given in seconds, minutes and milliseconds, so that
// sums of them cannot overflow.
const maxDuration = 31 * 24 * time.Hour

// span reads a number of units, which may have decimals.
func span(unit time.Duration, plural string, least time.Duration, to func(*values) *time.Duration) reader {
	return func(v *values, s string) error {
		f, err := strconv.ParseFloat(s, 64)
		d := f * float64(unit)
		if err != nil || math.IsNaN(d) || d < float64(least) || d > float64(maxDuration) {
			bound := "0 or more"
			if least > 0 {
				bound = strconv.FormatFloat(float64(least)/float64(unit), 'f', -1, 64) + " or more"
			}
			return fmt.Errorf("it must be a number of %s alone, %s and at most %.0f", plural, bound, float64(maxDuration)/float64(unit))
		}
		*to(v) = time.Duration(d)
		return nil
	}
}

// threshold is a number of milliseconds. A negative number, like 0, is no threshold.
func threshold(to func(*values) *time.Duration) reader {
	positive := span(time.Millisecond, "milliseconds", 0, to)
	return func(v *values, s string) error {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f <= 0 {
			*to(v) = -1
			return nil
		}
		return positive(v, s)
	}
}

func flag(to func(*values) *bool) reader {
	return func(v *values, s string) error {
		switch strings.ToLower(s) {
		case "true", "yes", "on", "1":
			*to(v) = true
		case "false", "no", "off", "0":
			*to(v) = false
		default:
			return errors.New("it must be true or false")
		}
		return nil
	}
}

// schedule reads a number or sizes by time of day, in the zone of TIME_ZONE,
// which stands before it in the table.
func schedule(to func(*values) *autoscale.Schedule) reader {
	return func(v *values, s string) error {
		sched, err := autoscale.ParseSchedule(pythonic(s), v.zone)
		if err != nil {
			problem := strings.TrimPrefix(err.Error(), "schedule "+pythonic(s)+": ")
			if strings.HasPrefix(problem, "schedule ") {
				problem = `it must be a number, as 3, or sizes by time of day, as {"0:00": 2, "9:00": 5, "17:00": 2}`
			}
			return errors.New(problem)
		}
		*to(v) = sched
		return nil
	}
}

// pythonic takes away the comma that may stand behind a dictionary's last entry.
func pythonic(s string) string {
	if inner, ok := strings.CutSuffix(s, "}"); ok {
		if inner, ok = strings.CutSuffix(strings.TrimRight(inner, " \t\n\r"), ","); ok {
			return inner + "}"
		}
	}
	return s
}

func zone(v *values, s string) error {
	loc, err := time.LoadLocation(s)
	if err != nil {
		return errors.New("it must be a name of the time zone database, as Europe/Berlin, America/Vancouver or UTC")
	}
	v.zone = loc
	return nil
}

func level(v *values, s string) error {
	if err := v.logLevel.UnmarshalText([]byte(s)); err != nil {
		return errors.New("it must be debug, info, warn or error")
	}
	return nil
}

// list splits a, b or ['a', 'b'] or ("a", "b") into its items.
func list(s string) ([]string, error) {
	wrong := errors.New("it must be a list, as a, b or ['a', 'b']")
	closing := map[byte]byte{'[': ']', '(': ')'}
	if s != "" && closing[s[0]] != 0 {
		if len(s) < 2 || s[len(s)-1] != closing[s[0]] {
			return nil, wrong
		}
		s = s[1 : len(s)-1]
	}
	if strings.ContainsAny(s, "[](){}") {
		return nil, wrong
	}
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		if item[0] == '\'' || item[0] == '"' {
			if inner, rest, ok := quoted(item); ok && rest == "" {
				item = inner
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// What a notifier of the packages notify and notify/email refuses is a fault of
// the setting that it would be made of.

func addresses(v *values, s string) error {
	items, err := list(s)
	if err != nil || refused(email.New(email.Config{URL: "smtp://localhost", From: "a@example.com", To: items})) != nil {
		return fmt.Errorf("it must be e-mail addresses with commas between them, at most %d, as ops@example.com, jane@example.com", email.MaxRecipients)
	}
	v.admins = items
	return nil
}

func sender(v *values, s string) error {
	if refused(email.New(email.Config{URL: "smtp://localhost", From: s, To: []string{"a@example.com"}})) != nil {
		return errors.New("it must be an e-mail address, as autoscale@example.com")
	}
	v.emailFrom = s
	return nil
}

func smtpURL(v *values, s string) error {
	if err := refused(email.New(email.Config{URL: s, From: "a@example.com", To: []string{"a@example.com"}})); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "email.Config.URL", "it"))
	}
	v.smtpURL = s
	return nil
}

func slackChannel(v *values, s string) error {
	if refused(notify.SlackBot("xoxb", s)) != nil {
		return errors.New("it must be the ID of a channel, as C0123456789, or its name, as #ops")
	}
	v.slackChannel = s
	return nil
}

// hookURL reads the URL of a webhook.
func hookURL(to func(*values) *string) reader {
	return func(v *values, s string) error {
		if err := refused(notify.Webhook(s, notify.WebhookOptions{})); err != nil {
			problem := strings.ReplaceAll(err.Error(), "the webhook's URL", "it")
			return errors.New(strings.TrimSuffix(problem, ", or set AllowHTTP"))
		}
		*to(v) = s
		return nil
	}
}

// refused returns what n has to say against what it was made of. That never
// holds a secret.
func refused(n autoscale.Notifier) error {
	if v, ok := n.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// pageURL reads a URL or a path of the app. A host without its scheme would be taken for
// a path.
func pageURL(name string, to func(*values) *string) reader {
	example := "/autoscalebot/heartbeat/, or a URL, as https://www.example.com/heartbeat"
	if name == "JSON_URL" {
		example = "/metrics.json, or a URL, as https://prometheus.example.com/api/v1/query?query=up"
	}
	return func(v *values, s string) error {
		u, err := url.Parse(s)
		path := err == nil && !u.IsAbs() && u.Host == "" && strings.HasPrefix(u.Path, "/")
		if !path && !webURL(u, err) {
			return errors.New("it must be a path of the app, as " + example)
		}
		*to(v) = s
		return nil
	}
}

// withoutSecrets returns what may be shown of a URL.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func webURL(u *url.URL, err error) bool {
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
