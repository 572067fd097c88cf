package heroku

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/autoscalebot/autoscale/platform"
)

// An Error is a call that failed. The API refused it or did not answer, or the answer is
// not a whole answer of the API. Its Code is what the API calls the id of an error, as
// "forbidden". It never holds the token.
type Error = platform.Error

// A CallBudgetError says that a call was not made, because the budget of calls had no
// room for it before its context ends.
type CallBudgetError = platform.CallBudgetError

// likeToken is the form of tokens since 2024. Those before are UUIDs, which request ids are
// too.
var likeToken = regexp.MustCompile(`HRKU-[A-Za-z0-9_-]+`)

// explain reads a refusal.
func explain(e *Error, body []byte) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return
	}
	text := func(key string) string { s, _ := fields[key].(string); return s }
	e.Code, e.Message = text("id"), cmp.Or(text("message"), text("error")) // error is of before version 3
	switch e.Status {
	case http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusPaymentRequired, http.StatusForbidden:
		if limit, ok := limitOf(e.Code, e.Message, fields["limit"]); ok {
			e.Err = dynoLimit(limit)
		}
	}
}

// advise returns advice on a refusal. token says where the token comes from.
func advise(e *Error, token string) string {
	if limited(e) {
		return "Eco and Basic dynos run one a process type, other sizes and whole apps have limits of their own: lower Max, change the size with `heroku ps:type`, or ask Heroku to raise the limit"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return "check " + token + ": it may have ended or been revoked; " + getToken
	case http.StatusPaymentRequired:
		return "the account must pay first, at https://dashboard.heroku.com/account/billing"
	case http.StatusForbidden:
		if e.Code == "suspended" {
			return "the app or the account is suspended: ask Heroku's support"
		}
		return "the user of the token must be a collaborator who may scale the app (`heroku access:add`), and the token needs the scope write (`heroku authorizations:create --scope write`)"
	case http.StatusNotFound:
		return "check the app's name, that the process type is in the Procfile and was deployed, and that the user of the token is a collaborator (`heroku access:add`)"
	case http.StatusUnprocessableEntity:
		switch {
		case e.Code == "verification_needed":
			return "the account must be verified with a payment method, at https://dashboard.heroku.com/account/billing"
		case !passing(e):
			return "check that the app was deployed and has this process type (`heroku ps`)"
		}
	case http.StatusTooManyRequests:
		return "the account's calls of the API are used up, by all who share it: find out who uses them, or use another account's token"
	}
	if e.Status >= 500 && !passing(e) {
		return "Heroku's API is in trouble, see https://status.heroku.com; the size stays as it is"
	}
	return ""
}
