package settings

import (
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
)

// values are the settings, read.
type values struct {
	app, apiKey, process, apiURL string

	heartbeatURL, heartbeatToken string
	interval                     time.Duration

	high, low          time.Duration
	average            bool
	upAfter, downAfter int
	averageOf          int
	increment          int
	ignoreFailures     bool

	zone                      *time.Location
	max, min                  autoscale.Schedule
	stepUp, stepDown          int
	cooldownUp, cooldownDown  time.Duration
	dryRun                    bool
	backends                  []backend
	aboveMax, belowMin        bool
	scaleFails, scales, pings bool
	diffThreshold             int
	diffPeriod, repeatAfter   time.Duration

	smtpURL, emailFrom                  string
	admins                              []string
	webhookURL, webhookSecret, slackURL string

	logLevel slog.Level
}

// reader reads the text of a setting into v.
type reader func(v *values, text string) error

// key is a setting.
type key struct {
	name    string
	initial string // the default, as one would write it; "": none
	field   string // where it ends up in Go, a list with commas
	doc     string // what it means, in one line
	read    reader

	required string // what to do where it is missing; "": it need not be given
	secret   bool   // no message shows the value
	ambient  bool   // Heroku itself sets a variable of that name, see [Load]
	heading  string // of the section that begins here, in the sample file
}

// keys is every setting. It is what the settings are read by, and what the
// sample file and the table in the README are made from. The order is that of
// reading: a schedule is read in the zone that stands before it.
var keys = []key{
	{
		heading: "The app that is scaled",
		name:    "HEROKU_APP_NAME", ambient: true,
		required: "give the app's name, as HEROKU_APP_NAME=dancing-forest-1234",
		field:    "Scaler",
		doc:      "The name of the app. Required.",
		read:     app,
	},
	{
		name: "HEROKU_API_KEY", secret: true,
		required: "make a token with `heroku authorizations:create --scope write`, and hand it over with `heroku config:set`",
		field:    "heroku.NewClient",
		doc:      "A token with the scope write, from `heroku authorizations:create --scope write`. Required. A secret: better a variable of the environment than a line of a file.",
		read:     apiKey,
	},
	{
		name: "PROCESS_TYPE", initial: autoscale.DefaultName,
		field: "Name",
		doc:   "The process type that is scaled, as the Procfile names it.",
		read:  process,
	},
	{
		name: "HEROKU_API_URL", initial: heroku.DefaultBaseURL,
		field: "heroku.Options.BaseURL",
		doc:   "Where Heroku's Platform API is.",
		read:  apiURL,
	},
	{
		heading: "The heartbeat that is measured",
		name:    "HEARTBEAT_URL", initial: "/autoscalebot/heartbeat/", secret: true,
		field: "probe.HTTP.URL",
		doc:   "What is requested: a path of the app, whose own URL is asked of Heroku, or a whole URL.",
		read:  heartbeat,
	},
	{
		name: "HEARTBEAT_TOKEN", secret: true,
		field: "probe.HTTP.Header",
		doc:   "The bearer token that the heartbeat asks for, if it does.",
		read:  token(func(v *values) *string { return &v.heartbeatToken }),
	},
	{
		name: "HEARTBEAT_INTERVAL_IN_SECONDS", initial: "30",
		field: "Interval",
		doc:   "From the start of one heartbeat to the start of the next.",
		read:  span(time.Second, "seconds", 100*time.Millisecond, func(v *values) *time.Duration { return &v.interval }),
	},
	{
		heading: "When processes are added and removed",
		name:    "MAX_RESPONSE_TIME_IN_MS", initial: "1000",
		field: "Consecutive.High, probe.HTTP.Timeout",
		doc:   "A slower response is too high, whether it comes or not; one is waited for twice as long.",
		read:  span(time.Millisecond, "milliseconds", time.Millisecond, func(v *values) *time.Duration { return &v.high }),
	},
	{
		name: "MIN_RESPONSE_TIME_IN_MS", initial: "200",
		field: "Consecutive.Low",
		doc:   "A faster response is too low; one between the two is just right. 0: no response is too low.",
		read:  threshold(func(v *values) *time.Duration { return &v.low }),
	},
	{
		name: "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER", initial: "3",
		field: "Consecutive.UpAfter",
		doc:   "So many in a row too high, since the size last changed, add processes. -1: never.",
		read:  streak(func(v *values) *int { return &v.upAfter }),
	},
	{
		name: "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER", initial: "5",
		field: "Consecutive.DownAfter",
		doc:   "So many in a row too low, since the size last changed, remove processes. -1: never.",
		read:  streak(func(v *values) *int { return &v.downAfter }),
	},
	{
		name: "INCREMENT", initial: "1",
		field: "Consecutive.Increment",
		doc:   "How many processes are added or removed at once.",
		read:  whole(1, func(v *values) *int { return &v.increment }),
	},
	{
		name: "DECISION_BACKEND", initial: "consecutive",
		field: "Decider",
		doc:   "The rule: consecutive, which is described above, or average, which holds the mean of the last responses against the same limits.",
		read:  choice("consecutive", "average", func(v *values) *bool { return &v.average }, "ConsecutiveThresholdBackend", "AverageThresholdBackend"),
	},
	{
		name: "NUMBER_OF_MEASUREMENTS_TO_AVERAGE", initial: "5",
		field: "Average.N",
		doc:   "Of how many responses, all since the size last changed, the rule average takes the mean.",
		read:  whole(1, func(v *values) *int { return &v.averageOf }),
	},
	{
		name: "COUNT_FAILURES_AS", initial: "too_high",
		field: "Consecutive.Failures",
		doc:   "What a refused connection or a server error counts as: too_high, or nothing, which passes it over. A timeout is always too high.",
		read:  choice("too_high", "nothing", func(v *values) *bool { return &v.ignoreFailures }),
	},
	{
		heading: "How many processes there may be",
		name:    "TIME_ZONE",
		field:   "Min, Max",
		doc:     "In which zone the times of MAX_DYNOS and MIN_DYNOS are read, as Europe/Berlin. Without it: that of the machine, which on Heroku is UTC.",
		read:    zone,
	},
	{
		name: "MAX_DYNOS", initial: "3",
		field: "Max",
		doc:   `The most processes: a number, or sizes by time of day, as {"0:00": 2, "9:00": 5, "17:00": 2}.`,
		read:  schedule(func(v *values) *autoscale.Schedule { return &v.max }),
	},
	{
		name: "MIN_DYNOS", initial: "1",
		field: "Min",
		doc:   "The fewest processes, in the same notation. Never above MAX_DYNOS.",
		read:  schedule(func(v *values) *autoscale.Schedule { return &v.min }),
	},
	{
		name: "MAX_DYNOS_ADDED_AT_ONCE", initial: "0",
		field: "Step.Up",
		doc:   "The most processes added at once. 0: any number.",
		read:  whole(0, func(v *values) *int { return &v.stepUp }),
	},
	{
		name: "MAX_DYNOS_REMOVED_AT_ONCE", initial: "0",
		field: "Step.Down",
		doc:   "The most processes removed at once. 0: any number.",
		read:  whole(0, func(v *values) *int { return &v.stepDown }),
	},
	{
		name: "COOLDOWN_AFTER_SCALE_UP_IN_SECONDS", initial: "0",
		field: "Cooldown.Up",
		doc:   "How long after processes were added the size rests.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.cooldownUp }),
	},
	{
		name: "COOLDOWN_AFTER_SCALE_DOWN_IN_SECONDS", initial: "0",
		field: "Cooldown.Down",
		doc:   "How long after processes were removed no more are removed.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.cooldownDown }),
	},
	{
		name: "DRY_RUN", initial: "false",
		field: "DryRun",
		doc:   "Decide and tell, and never scale.",
		read:  flag(func(v *values) *bool { return &v.dryRun }),
	},
	{
		heading: "Who is told, and of what",
		name:    "NOTIFICATION_BACKENDS",
		field:   "Notifiers",
		doc:     "Who is told: any of console, log, email, webhook, slack, with commas between them. Whatever the settings below say, all are told when the autoscaler cannot do its work. One that is to be told of other things names them, as email:needs_above_max|scaled.",
		read:    backends,
	},
	{
		name: "NOTIFY_IF_NEEDS_EXCEED_MAX", initial: "true",
		field: "NotifyOn: NeedsAboveMax",
		doc:   "Tell when there are MAX_DYNOS and more are needed.",
		read:  flag(func(v *values) *bool { return &v.aboveMax }),
	},
	{
		name: "NOTIFY_IF_NEEDS_BELOW_MIN", initial: "false",
		field: "NotifyOn: NeedsBelowMin",
		doc:   "Tell when there are MIN_DYNOS, these are more than one, and fewer would do.",
		read:  flag(func(v *values) *bool { return &v.belowMin }),
	},
	{
		name: "NOTIFY_ON_SCALE_FAILS", initial: "false",
		field: "NotifyOn: ScaleFailed",
		doc:   "Tell each time that the size could not be read or set.",
		read:  flag(func(v *values) *bool { return &v.scaleFails }),
	},
	{
		name: "NOTIFY_ON_EVERY_SCALE", initial: "false",
		field: "NotifyOn: Scaled",
		doc:   "Tell each time that processes were added or removed.",
		read:  flag(func(v *values) *bool { return &v.scales }),
	},
	{
		name: "NOTIFY_ON_EVERY_PING", initial: "false",
		field: "NotifyOn: Probed",
		doc:   "Tell each response time.",
		read:  flag(func(v *values) *bool { return &v.pings }),
	},
	{
		name:  "NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD",
		field: "NotifyDiff.Threshold, NotifyOn: DiffExceeded",
		doc:   "Tell when the size moved by more than so many processes within the period of the next setting, which must be given with it.",
		read:  whole(1, func(v *values) *int { return &v.diffThreshold }),
	},
	{
		name:  "NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES",
		field: "NotifyDiff.Period",
		doc:   "The period of the setting above.",
		read:  span(time.Minute, "minutes", time.Second, func(v *values) *time.Duration { return &v.diffPeriod }),
	},
	{
		name: "NOTIFY_AGAIN_PERIOD_IN_MINUTES", initial: "60",
		field: "RepeatAfter",
		doc:   "How often what lasts is told again. 0: never.",
		read:  span(time.Minute, "minutes", 0, func(v *values) *time.Duration { return &v.repeatAfter }),
	},
	{
		heading: "What the notification backends need",
		name:    "ADMINS",
		field:   "email.Config.To",
		doc:     "The addresses that email writes to, with commas between them.",
		read:    addresses,
	},
	{
		name:  "EMAIL_FROM",
		field: "email.Config.From",
		doc:   "The address that email writes from. Without it: the first of ADMINS.",
		read:  sender,
	},
	{
		name: "SMTP_URL", secret: true,
		field: "email.Config.URL",
		doc:   "The server that email is sent by, as smtp://user:password@smtp.example.com:587. A secret.",
		read:  smtpURL,
	},
	{
		name: "WEBHOOK_URL", secret: true,
		field: "notify.Webhook",
		doc:   "Where webhook sends each event, as JSON. A secret.",
		read:  hookURL(func(v *values) *string { return &v.webhookURL }),
	},
	{
		name: "WEBHOOK_SECRET", secret: true,
		field: "WebhookOptions.Secret",
		doc:   "The key that webhook signs with. A secret.",
		read:  token(func(v *values) *string { return &v.webhookSecret }),
	},
	{
		name: "SLACK_WEBHOOK_URL", secret: true,
		field: "notify.Slack",
		doc:   "The incoming webhook that slack writes to. A secret.",
		read:  hookURL(func(v *values) *string { return &v.slackURL }),
	},
	{
		heading: "The log",
		name:    "LOG_LEVEL", initial: "info",
		field: "Logger",
		doc:   "The least that is logged: debug, info, warn or error.",
		read:  level,
	},
}

// find returns the setting of a name without prefix, or nil.
func find(name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

// retired are names that autoscalebot or Django know, or autoscalebot's next
// version meant to have, with what to do instead.
var retired = map[string]string{
	"SETTINGS":                        "autoscalebot 3 never came out, and its nested dictionary is not read; give each setting a line of its own",
	"AUTOSCALE_SETTINGS":              "autoscalebot 3 never came out, and its nested dictionary is not read; give each setting a line of its own",
	"MEASUREMENT":                     "what is measured is always HEARTBEAT_URL; other probers are for a Go program",
	"DECISION":                        "choose the rule with DECISION_BACKEND",
	"SCALING":                         "what scales is always Heroku; other scalers are for a Go program",
	"NOTIFICATION":                    "name who is told in NOTIFICATION_BACKENDS",
	"MEASUREMENT_URL":                 "write HEARTBEAT_URL",
	"MEASUREMENT_INTERVAL_IN_SECONDS": "write HEARTBEAT_INTERVAL_IN_SECONDS",
	"MAX_TIME_MS":                     "write MAX_RESPONSE_TIME_IN_MS",
	"MIN_TIME_MS":                     "write MIN_RESPONSE_TIME_IN_MS",
	"MAX_PROCESSES":                   "write MAX_DYNOS",
	"MIN_PROCESSES":                   "write MIN_DYNOS",
	"WORKER_NAME":                     "write PROCESS_TYPE",
	"POST_SCALE_WAIT_TIME_SECONDS":    "write COOLDOWN_AFTER_SCALE_UP_IN_SECONDS and COOLDOWN_AFTER_SCALE_DOWN_IN_SECONDS",
	"HISTORY_LENGTH":                  "as much is kept as the rule needs; take it out",
	"NOTIFY_ON":                       "write the kinds behind a backend, as NOTIFICATION_BACKENDS=email:scaled|needs_above_max",
	"NOTIFY_ON_EVERY_MEASUREMENT":     "write NOTIFY_ON_EVERY_PING",
	"EMAIL_BACKEND":                   "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_HOST":                      "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_PORT":                      "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_HOST_USER":                 "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_HOST_PASSWORD":             "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_USE_TLS":                   "Django's mail settings are not read; give the server as SMTP_URL",
	"EMAIL_USE_SSL":                   "Django's mail settings are not read; give the server as SMTP_URL",
	"DEFAULT_FROM_EMAIL":              "write EMAIL_FROM",
	"SERVER_EMAIL":                    "write EMAIL_FROM",
	"MANAGERS":                        "write the addresses as ADMINS",
	"INSTALLED_APPS":                  "there is no Django app; mount the heartbeat of this project's package heartbeat, or any URL of yours",
	"DJANGO_SETTINGS_MODULE":          "Python's settings are not read; copy them as KEY=VALUE lines",
}
