// Package heroku reads and sets the size of Heroku formations, as the Scaler of
// an autoscaler.
//
//	client := heroku.NewClient(os.Getenv("HEROKU_API_KEY"), nil)
//
//	err := autoscale.New(autoscale.Config{
//		Prober: &probe.HTTP{
//			URL:  "/autoscalebot/heartbeat/",
//			Base: client.WebURL("quiet-river"),
//		},
//		Scaler: client.Scaler("quiet-river", "web"),
//	}).Run(ctx)
//
// # The token
//
// The token acts for an account, and the narrowest scope that the documentation
// lets hope for is write, which still reaches every app of that account.
// Make a Heroku account for automation alone, make it a collaborator of the app that is
// scaled and of no other, and authorize it there:
//
//	heroku authorizations:create --scope write --description autoscale
//	heroku config:set HEROKU_API_KEY=<the token> --app quiet-river
//
// A token from "heroku auth:token" ends after a year or, with single sign-on, after hours; the
// API key of the dashboard ends when the password changes. Either leaves the formation
// at its last size.
//
// The token is in no error, in no log, and in no formatted value of this
// package, whatever the verb. It is sent to [Options.BaseURL] and [Options.MetricsURL] alone:
// redirects are not followed, and plain HTTP is refused.
//
// # What it costs
//
// Heroku permits an account 4,500 calls of its API an hour, which all apps of
// that account and everybody who uses its tokens share. At the default interval
// of 30 seconds a Scaler makes 180 an hour: 120 to read the formation and 60 to read whether the
// app is in maintenance. A change of the size costs one more, and each tick while added
// dynos boot costs one more. A quiet app therefore costs 4% of the account's calls.
//
// For web on Performance, Private or Shield dynos, six requests an hour go to
// [Options.MetricsURL] besides. That is another host, and they are not counted in
// [Options.CallsPerHour].
//
// A [Client] keeps all its Scalers together within [Options.CallsPerHour], half
// of the account's calls by default, which is enough for a dozen process types.
// It also heeds what the API says is left of the account's calls: below
// 75, which is what Heroku adds in a minute, nothing is read, so that what is left goes to
// orders of a size and to people. A call that its context leaves no time for fails at once
// with a [CallBudgetError], which says when there will be room. Several Clients know of each
// other only by what the API says is left.
//
// # Faults
//
// An answer that lacks what it must have is an error and never a size of 0. A call
// is tried three times at most, and again only after a network fault, a 429 or a 5xx;
// Retry-After is honoured within the time that the context leaves. A size is ordered as
// an absolute number, so that an order whose answer was lost can be repeated.
//
// # Heroku's own autoscaling
//
// Heroku can scale web on Performance, Private and Shield dynos itself. Two autoscalers on
// one process type undo each other's work, and so the size is left to Heroku's while it is
// switched on: Capacity tells of it as [autoscale.Capacity.ExternalAutoscaler]. Switching it on or off is
// noticed within ten minutes:
//
//	heroku ps:autoscale:disable --app quiet-river
//
// # What is not known
//
// The package was built against the API's published schema and documentation, and against
// traces that users published. In particular it is not verified:
//
//   - that the scope write suffices to order a size, which the documentation implies;
//   - that each answer names the scopes of the token, as answers that users published
//     do; where it does not, [Scaler.Scopes] says nothing;
//   - whether the API ever sends Retry-After; it is honoured, and not relied upon;
//   - all the words of the refusals above a dyno limit: where neither the id cannot_run_above_limit
//     nor the known sentences are found, the refusal is an [Error] and no autoscale.LimitError;
//   - whether a token of the scope write may ask whether Heroku's own autoscaling is switched on,
//     at a host whose interface is not documented: it is asked as Heroku's command line asks
//     it. Where it does not answer so, nothing tells of that, and Heroku's own is taken
//     for switched off;
//   - whether those requests count against the account's calls of the API: if they do, what the API
//     says is left shows it;
//   - what Heroku's own autoscaling does when somebody else orders a size: Heroku's command line
//     once warned that it is switched off by that;
//   - whether updated_at of a formation, which becomes [autoscale.Capacity.Changed], moves only
//     when the quantity does.
package heroku
