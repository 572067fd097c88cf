package settings

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/rule"
)

// values are the settings, read.
type values struct {
	app, apiKey, process, apiURL string
	store                        string

	platform string
	texts    map[string]string        // of the settings of platforms other than Heroku
	scalers  map[string]ScalerFunc    // of Options
	getenv   func(name string) string // looks up what the platform sets in Options.Environ

	heartbeatURL, heartbeatToken string
	interval                     time.Duration

	high, low          time.Duration
	rule               string
	measurement        string
	upAfter, downAfter int
	averageOf          int
	increment          int
	failures           autoscale.FailurePolicy
	mOfN               rule.MOfN
	tracking           rule.TargetTracking
	jobs               rule.Backlog

	timeout                     time.Duration // of the heartbeat. 0: patience times high
	heartbeatHeader, jsonHeader http.Header
	requests                    int
	percentile                  float64
	split, serverLatency        bool
	jsonOrdered                 bool

	jsonURL     string
	jsonPaths   []signalPath
	jsonSignal  autoscale.Signals
	jsonTimeout time.Duration

	limits limit.Limits
	boot   time.Duration

	zone                      *time.Location
	max, min                  autoscale.Schedule
	dryRun, recommendOnly     bool
	backends                  []backend
	aboveMax, belowMin        bool
	scaleFails, scales, pings bool
	diffThreshold             int
	diffPeriod, repeatAfter   time.Duration

	smtpURL, emailFrom                             string
	admins                                         []string
	webhookURL, webhookSecret, slackURL            string
	slackToken, slackChannel, discordURL, teamsURL string

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
	prefixed bool   // in the environment it counts only with the prefix: its name is a common word
	ambient  bool   // the platform itself sets a variable of that name, see [Load]
	heading  string // of the section that begins here, in the sample file
	sample   string // what the sample sets, other than the default. "": nothing
	platform string // the value of PLATFORM with which it has an effect. "": all
	example  string // a value that is right, for tests
	rules    string // the values of DECISION_BACKEND with which it has an effect, as "m_of_n backlog". "": all
	measures string // the value of MEASUREMENT_BACKEND with which it has an effect. "": all
}

// keys is every setting. The settings are read by it. The sample file, the table in the
// README, the suggestions and the names in errors are made from it. The order is that of
// reading: a schedule is read in the zone that comes before it.
var keys = slices.Concat(appKeys, platformKeys, measurementKeys, ruleKeys, sizeKeys, limitKeys, notifyKeys)

var appKeys = []key{
	{
		heading: "The app that is scaled",
		name:    "PLATFORM", initial: herokuPlatform,
		field: "Scaler",
		doc:   "Where the app runs: " + oneOf(platformNames) + ".",
		read:  platformName,
	},
	{
		name: "HEROKU_APP_NAME", ambient: true,
		platform: herokuPlatform,
		required: "give the app's name, as HEROKU_APP_NAME=dancing-forest-1234",
		field:    "Scaler",
		doc:      "The name of the app. Required on Heroku.",
		read:     app,
	},
	{
		name: "HEROKU_API_KEY", secret: true,
		platform: herokuPlatform,
		required: "make a token with `heroku authorizations:create --scope write`, and hand it over with `heroku config:set`",
		field:    "heroku.NewClient",
		doc:      "A token with the scope write, from `heroku authorizations:create --scope write`. Required on Heroku. A secret: an environment variable is safer than a line of a file.",
		read:     apiKey,
	},
	{
		name: "PROCESS_TYPE", initial: autoscale.DefaultName,
		field: "Name",
		doc:   "The process type that is scaled, as the Procfile or the manifest names it. On a platform without process types it is only a name for logs and notifications.",
		read:  process,
	},
	{
		name: "HEROKU_API_URL", initial: heroku.DefaultBaseURL,
		platform: herokuPlatform,
		field:    "heroku.Options.BaseURL",
		doc:      "Where Heroku's Platform API is.",
		read:     apiURL,
	},
	{
		name: "STORE", secret: true, prefixed: true,
		field: "Elector",
		doc:   "Where the state is kept, as postgres://…, sqlite:FILE, redis://… or kubernetes://NAMESPACE: with it a restart loses nothing, and autoscalebot pause works. In the environment it is AUTOSCALE_STORE. It needs the program from contrib/autoscalebot. A secret.",
		read:  store,
	},
}

var sizeKeys = []key{
	{
		heading: "How many processes there may be",
		name:    "TIME_ZONE",
		field:   "Min, Max, Limits.Forecast.Location, Limits.Budget.Location",
		doc:     "The time zone of the times in MAX_DYNOS and MIN_DYNOS, as Europe/Berlin. Without it: the machine's time zone, which on Heroku is UTC.",
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
		name: "DRY_RUN", initial: "false",
		field: "DryRun",
		doc:   "Decide and report, and never scale.",
		read:  flag(func(v *values) *bool { return &v.dryRun }),
	},
	{
		name: "RECOMMEND_ONLY", initial: "false",
		field: "RecommendOnly",
		doc:   "Publish the size for another autoscaler that orders it, such as KEDA, and never scale.",
		read:  flag(func(v *values) *bool { return &v.recommendOnly }),
	},
}

var notifyKeys = []key{
	{
		heading: "Notifications",
		name:    "NOTIFICATION_BACKENDS",
		field:   "Notifiers",
		doc:     "Who is notified: any of console, log, email, webhook, slack, slackbot, discord, teams, with commas between them. All are always notified if the autoscaler cannot do its work. To notify a backend of other events, name them: email:needs_above_max|scaled.",
		read:    backends,
	},
	{
		name: "NOTIFY_IF_NEEDS_EXCEED_MAX", initial: "true",
		field: "NotifyOn: NeedsAboveMax",
		doc:   "Notify when the size is MAX_DYNOS and more processes are needed.",
		read:  flag(func(v *values) *bool { return &v.aboveMax }),
	},
	{
		name: "NOTIFY_IF_NEEDS_BELOW_MIN", initial: "false",
		field: "NotifyOn: NeedsBelowMin",
		doc:   "Notify when the size is MIN_DYNOS, which is above 1, and fewer processes would do.",
		read:  flag(func(v *values) *bool { return &v.belowMin }),
	},
	{
		name: "NOTIFY_ON_SCALE_FAILS", initial: "false",
		field: "NotifyOn: ScaleFailed",
		doc:   "Notify each time that the size could not be read or set.",
		read:  flag(func(v *values) *bool { return &v.scaleFails }),
	},
	{
		name: "NOTIFY_ON_EVERY_SCALE", initial: "false",
		field: "NotifyOn: Scaled",
		doc:   "Notify each time that processes were added or removed.",
		read:  flag(func(v *values) *bool { return &v.scales }),
	},
	{
		name: "NOTIFY_ON_EVERY_PING", initial: "false",
		field: "NotifyOn: Probed",
		doc:   "Notify of each response time.",
		read:  flag(func(v *values) *bool { return &v.pings }),
	},
	{
		name:  "NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD",
		field: "NotifyDiff.Threshold, NotifyOn: DiffExceeded",
		doc:   "Notify when the size moved by more than this many processes within the period of the next setting, which must be given with it.",
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
		doc:   "How often to remind of a condition that lasts. 0: never.",
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
		doc:   "The server through which email is sent, as smtp://user:password@smtp.example.com:587. A secret.",
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
		name: "SLACK_BOT_TOKEN", secret: true,
		field: "notify.SlackBot",
		doc:   "The token of the Slack app that slackbot posts as, with a thread for each condition. A secret.",
		read:  token(func(v *values) *string { return &v.slackToken }),
	},
	{
		name:  "SLACK_CHANNEL",
		field: "notify.SlackBot",
		doc:   "The channel that slackbot posts to, as C0123456789 or #ops.",
		read:  slackChannel,
	},
	{
		name: "DISCORD_WEBHOOK_URL", secret: true,
		field: "notify.Discord",
		doc:   "The webhook that discord writes to. A secret.",
		read:  hookURL(func(v *values) *string { return &v.discordURL }),
	},
	{
		name: "TEAMS_WEBHOOK_URL", secret: true,
		field: "notify.Teams",
		doc:   "The webhook of the workflow that teams writes to. A secret.",
		read:  hookURL(func(v *values) *string { return &v.teamsURL }),
	},
	{
		heading: "The log",
		name:    "LOG_LEVEL", initial: "info",
		field: "Logger",
		doc:   "The lowest level that is logged: debug, info, warn or error.",
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
