package heroku

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// An Error is a call that failed: refused by the API, answered by something that
// is no whole answer of the API, or not answered at all. It never holds the token.
type Error struct {
	Op, Subject string        // what was to be done, and to what
	Status      int           // of the last answer; 0: there was none
	ID          string        // the API's own name for the refusal, as "forbidden"; may be empty
	Message     string        // the API's own words; may be empty
	RequestID   string        // for Heroku's support; may be empty
	RetryAfter  time.Duration // how long the API asked to wait; 0: it did not
	Limit       int           // the dyno limit that the refusal names; 0: none, or not known
	Tries       int           // how often the call was made
	Err         error         // what else went wrong; may be nil

	again      bool   // whether another try may fare better
	unsure     bool   // whether an earlier try may have been carried out
	limited    bool   // whether the refusal is about a dyno limit
	numberless bool   // whether such a refusal does not say which
	token      string // where the token comes from
}

// Unwrap returns e.Err: a network fault or the end of the context, for instance.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, what the API said, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "heroku: %s: %s: ", e.Op, e.Subject)
	switch {
	case e.Status/100 == 2:
		fmt.Fprintf(&b, "status %d", e.Status)
	case e.Status != 0:
		b.WriteString(strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)))
		if e.ID != "" {
			fmt.Fprintf(&b, " (%s)", e.ID)
		}
	default:
		b.WriteString("no answer")
	}
	if e.Message != "" {
		b.WriteString(": " + strings.TrimRight(e.Message, "."))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, ", after %d tries", e.Tries)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", to be tried again in %v", e.RetryAfter.Round(time.Second))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	if advice := e.advice(); advice != "" {
		b.WriteString(": " + advice)
	}
	return b.String()
}

// advice says what to do about a status.
func (e *Error) advice() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "check " + cmp.Or(e.token, "the token") + ": it may have ended or been revoked; make one with `heroku authorizations:create --scope write`"
	case http.StatusPaymentRequired:
		return "the account must pay first, at https://dashboard.heroku.com/account/billing"
	case http.StatusForbidden:
		if e.ID == "suspended" {
			return "the app or the account is suspended: ask Heroku's support"
		}
		return "the user of the token must be a collaborator who may scale the app (`heroku access:add`), and the token needs the scope write (`heroku authorizations:create --scope write`)"
	case http.StatusNotFound:
		return "check the app's name, that the process type is in the Procfile and was deployed, and that the user of the token is a collaborator (`heroku access:add`)"
	case http.StatusUnprocessableEntity:
		switch {
		case e.limited:
			return "Eco and Basic dynos run one a process type, other sizes and whole apps have limits of their own: lower Max, change the size with `heroku ps:type`, or ask Heroku to raise the limit"
		case e.ID == "verification_needed":
			return "the account must be verified with a payment method, at https://dashboard.heroku.com/account/billing"
		}
		if e.passing() {
			return passes
		}
		return "check that the app was deployed and has this process type (`heroku ps`)"
	case http.StatusTooManyRequests:
		return "the account's calls of the API are used up, by all who share it: find out who uses them, or use another account's token"
	}
	switch {
	case e.passing():
		return passes
	case e.Status >= 500:
		return "Heroku's API is in trouble, see https://status.heroku.com; the size stays as it is"
	case e.Status/100 == 3:
		return "redirects are not followed: " + elsewhere
	}
	return ""
}

// herokuToken is the form of tokens since 2024. Those before are UUIDs, which
// request ids are too.
var herokuToken = regexp.MustCompile(`HRKU-[A-Za-z0-9_-]+`)

const redacted = "[redacted]"

// scrubber returns a function that takes token, and whatever looks like one of
// Heroku's, out of a text.
func scrubber(token string) func(string) string {
	return func(s string) string {
		if token != "" {
			s = strings.ReplaceAll(s, token, redacted)
		}
		return herokuToken.ReplaceAllLiteralString(s, redacted)
	}
}

// oneLine makes what somebody else wrote fit for one line of a log, of at most so many runes.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	for i := range s {
		if most == 0 {
			return s[:i] + "..."
		}
		most--
	}
	return s
}

// quoted is a short oneLine in quotes.
func quoted(s string) string { return strconv.Quote(oneLine(s, 40)) }
