package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/notify/email"
)

// backend is one entry of NOTIFICATION_BACKENDS.
type backend struct {
	name  string
	kinds autoscale.EventKind // 0: those of the NOTIFY settings
}

var backendNames = []string{"console", "log", "email", "webhook", "slack", "slackbot", "discord", "teams"}

// oldBackends are the classes that autoscalebot came with, which were named by
// their dotted paths.
var oldBackends = map[string]string{
	"ConsoleBackend":     "console",
	"LoggerBackend":      "log",
	"DjangoEmailBackend": "email",
	"EmailBackend":       "email",
}

// backends reads the list of those who are notified, as "log, email:panicked|scaled".
func backends(v *values, s string) error {
	items, err := list(s)
	if err != nil {
		return err
	}
	v.backends = nil
	var errs []error
	for _, item := range items {
		b, err := oneBackend(item)
		if err == nil && slices.ContainsFunc(v.backends, func(other backend) bool { return other.name == b.name }) {
			err = fmt.Errorf("%s is given twice", b.name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.backends = append(v.backends, b)
	}
	return errors.Join(errs...)
}

func oneBackend(item string) (b backend, err error) {
	name, kinds, limited := strings.Cut(item, ":")
	name, kinds = strings.TrimSpace(name), strings.TrimSpace(kinds)
	class := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case slices.Contains(backendNames, strings.ToLower(name)):
		b.name = strings.ToLower(name)
	case oldBackends[class] != "":
		b.name = oldBackends[class]
	case class == "TestBackend":
		return b, errors.New("TestBackend kept messages for tests, which here notify.Recorder does, in a Go program: take it out of the list")
	case strings.Contains(name, "."):
		return b, fmt.Errorf("%q is a class of Python: a notifier of your own is an autoscale.Notifier in a Go program; those to be had here are %s", name, strings.Join(backendNames, ", "))
	default:
		return b, fmt.Errorf("%q is not a backend: it is one of %s", name, strings.Join(backendNames, ", "))
	}
	if limited {
		if err := b.kinds.UnmarshalText([]byte(kinds)); err != nil || b.kinds == 0 {
			return b, fmt.Errorf("%q are not kinds of event for %s: write %s:KIND|KIND with kinds of %s", kinds, b.name, b.name, autoscale.AllKinds)
		}
	}
	return b, nil
}

// notifier makes the notifier of a backend.
func (v *values) notifier(b backend, o Options) autoscale.Notifier {
	var n autoscale.Notifier
	switch b.name {
	case "console":
		var w io.Writer = os.Stdout
		if o.Console != nil {
			w = o.Console
		}
		n = notify.Console(w)
	case "log":
		log := o.Logger
		if log == nil {
			log = slog.Default()
		}
		n = notify.Log(log.With(slog.Bool("notification", true)))
	case "email":
		from := v.emailFrom
		if from == "" && len(v.admins) > 0 {
			from = v.admins[0]
		}
		n = email.New(email.Config{URL: v.smtpURL, From: from, To: v.admins})
	case "webhook":
		n = notify.Webhook(v.webhookURL, notify.WebhookOptions{Secret: v.webhookSecret})
	case "slack":
		n = notify.Slack(v.slackURL)
	case "slackbot":
		n = notify.SlackBot(v.slackToken, v.slackChannel)
	case "discord":
		n = notify.Discord(v.discordURL)
	case "teams":
		n = notify.Teams(v.teamsURL)
	}
	if b.kinds != 0 {
		n = notify.Only(n, b.kinds)
	}
	return n
}
