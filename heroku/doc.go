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
// A token acts for an account. By the documentation, write is the narrowest scope that
// may suffice, and it still reaches every app of that account. So make a Heroku account
// that is only for automation, make it a collaborator of the app that is scaled and of no
// other, and create the token in it:
//
//	heroku authorizations:create --scope write --description autoscale
//	heroku config:set HEROKU_API_KEY=<the token> --app quiet-river
//
// A token from "heroku auth:token" expires after a year or, with single sign-on, after
// hours. The API key of the dashboard expires when the password changes. From then on the
// formation keeps its last size.
//
// The token never appears in an error, in the log, or in a formatted value of this
// package, for any verb. It is sent only to [Options.BaseURL] and [Options.MetricsURL].
// Redirects are not followed, and plain HTTP is refused.
//
// # What it costs
//
// Heroku permits an account 4,500 calls of its API an hour. All apps of that account, and
// everybody who uses its tokens, share them. At the default interval of 30 seconds a
// Scaler makes 180 calls an hour: 120 to read the formation and 60 to read whether the
// app is in maintenance. A change of the size costs one more, and so does each tick while
// added dynos boot. A quiet app therefore costs 4% of the account's calls.
//
// For web on Performance, Private or Shield dynos, six more requests an hour go to
// [Options.MetricsURL]. That is another host, and these requests do not count towards
// [Options.CallsPerHour].
//
// A [Client] keeps all its Scalers together within [Options.CallsPerHour]. The default is
// half of the account's calls, which is enough for a dozen process types. The API also
// reports how many of the account's calls remain. Below 75, which is what Heroku adds in
// a minute, the Client reads nothing, so that the remaining calls are left for orders of
// a size and for people. If the context leaves no time for a call, the call fails at once
// with a [CallBudgetError], which says when there will be room. Several Clients know of
// each other only from the number of calls that remain.
//
// # Faults
//
// An answer that lacks a required field is an error, and never a size of 0. A call is
// tried at most three times, and repeated only after a network fault, a 429 or a 5xx.
// Retry-After is honoured within the time that the context leaves. A size is ordered as
// an absolute number, so that an order whose answer was lost can be repeated.
//
// # Heroku's own autoscaling
//
// Heroku can scale web on Performance, Private and Shield dynos itself. Two autoscalers
// on one process type undo each other's work. So while Heroku's own is switched on,
// Capacity reports it as [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler
// leaves the size alone. To switch Heroku's off:
//
//	heroku ps:autoscale:disable --app quiet-river
//
// That is noticed within ten minutes.
//
// # What is not known
//
// The package was built against the API's published schema and documentation, and against
// traces that users published. These points are not verified:
//
//   - The scope write suffices to order a size. The documentation implies it.
//   - Each answer names the scopes of the token. Answers that users published do. If an
//     answer does not, [Scaler.Scopes] returns nil.
//   - The API may send Retry-After. The package honours it, and does not rely on it.
//   - The wording of every refusal above a dyno limit. If a refusal has neither the id
//     cannot_run_above_limit nor one of the known sentences, it is an [Error] and not an
//     [autoscale.LimitError].
//   - A token of the scope write may ask whether Heroku's own autoscaling is switched on.
//     The package asks the same undocumented host as Heroku's command line does, in the
//     same way. If that fails, no error is reported, and Heroku's own autoscaling counts
//     as switched off.
//   - Those requests do not count against the account's calls of the API. If they do, the
//     number of remaining calls shows it.
//   - The effect of somebody else's order on Heroku's own autoscaling. Heroku's command
//     line once warned that such an order switches it off.
//   - updated_at of a formation, which becomes [autoscale.Capacity.Changed], moves only
//     when the quantity does.
package heroku
