package notify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/notify/internal/words/wordstest"
)

const botToken = "xoxb-123-hiddenhidden"

// slack stands for Slack's Web API. It answers by f, or that each message was posted.
type slack struct {
	mu    sync.Mutex
	posts []post
	f     func(p post) *http.Response
}

type post struct {
	Channel   string `json:"channel"`
	Thread    string `json:"thread_ts"`
	Broadcast bool   `json:"reply_broadcast"`
	Text      string `json:"text"`
}

func (s *slack) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.URL.String() != "https://slack.com/api/chat.postMessage" || r.Header.Get("Authorization") != "Bearer "+botToken || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, fmt.Errorf("the request is wrong: %s", r.URL)
	}
	var p post
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, p)
	if s.f != nil {
		if res := s.f(p); res != nil {
			return res, nil
		}
	}
	return answer(200, fmt.Sprintf(`{"ok":true,"channel":"C1","ts":"1700000000.%06d"}`, len(s.posts))), nil
}

func (s *slack) bot() autoscale.Notifier {
	return notify.SlackBot(botToken, "C1", notify.ChatOptions{Client: &http.Client{Transport: s}})
}

// condition returns an event of a condition that began at a time.
func condition(kind autoscale.EventKind, phase autoscale.Phase, name string, since time.Time) autoscale.Event {
	return autoscale.Event{Kind: kind, Phase: phase, Name: name, Since: since, Time: since.Add(time.Hour), To: 3, Min: 1, Max: 3}
}

func TestSlackBotThreads(t *testing.T) {
	var s slack
	n := s.bot()
	first, second := wordstest.Now, wordstest.Now.Add(2*time.Hour)
	for _, e := range []autoscale.Event{
		condition(autoscale.NeedsAboveMax, autoscale.Began, "web", first),    // 1
		condition(autoscale.ProbeFailing, autoscale.Began, "web", first),     // 2
		condition(autoscale.NeedsAboveMax, autoscale.Began, "worker", first), // 3
		condition(autoscale.NeedsAboveMax, autoscale.Repeated, "web", first), // 4
		{Kind: autoscale.Scaled, Name: "web", Time: first},                   // 5
		condition(autoscale.NeedsAboveMax, autoscale.Ended, "web", first),    // 6
		condition(autoscale.NeedsAboveMax, autoscale.Began, "web", second),   // 7
		condition(autoscale.NeedsAboveMax, autoscale.Ended, "web", second),   // 8
		condition(autoscale.Paused, autoscale.Repeated, "web", first),        // 9: another process began it
		condition(autoscale.Paused, autoscale.Ended, "web", first),           // 10
		condition(autoscale.Yielding, autoscale.Ended, "web", first),         // 11
	} {
		if err := n.Notify(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]string, len(s.posts))
	for i, p := range s.posts {
		got[i] = fmt.Sprintf("%d %s %s %t", i+1, p.Channel, strings.TrimLeft(strings.TrimPrefix(p.Thread, "1700000000."), "0"), p.Broadcast)
	}
	want := []string{
		"1 C1  false", "2 C1  false", "3 C1  false", "4 C1 1 false", "5 C1  false", "6 C1 1 true", "7 C1  false", "8 C1 7 true", "9 C1  false", "10 C1 9 true", "11 C1  false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSlackBotRemembersABoundedNumberOfThreads(t *testing.T) {
	var s slack
	n := s.bot()
	for i := range 200 {
		if err := n.Notify(t.Context(), condition(autoscale.Paused, autoscale.Began, fmt.Sprint("p", i), wordstest.Now)); err != nil {
			t.Fatal(err)
		}
	}
	threaded := 0
	for i := range 200 {
		if err := n.Notify(t.Context(), condition(autoscale.Paused, autoscale.Ended, fmt.Sprint("p", i), wordstest.Now)); err != nil {
			t.Fatal(err)
		}
		if s.posts[len(s.posts)-1].Thread != "" {
			threaded++
		}
	}
	if threaded != 64 {
		t.Errorf("%d threads were remembered, want 64", threaded)
	}
}

func TestSlackBotBeginsAnewWhereTheThreadIsGone(t *testing.T) {
	var s slack
	s.f = func(p post) *http.Response {
		if p.Thread != "" {
			return answer(200, `{"ok":false,"error":"thread_not_found"}`)
		}
		return nil
	}
	n := s.bot()
	for _, phase := range []autoscale.Phase{autoscale.Began, autoscale.Repeated} {
		if err := n.Notify(t.Context(), condition(autoscale.Paused, phase, "web", wordstest.Now)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.posts) != 3 || s.posts[1].Thread == "" || s.posts[2].Thread != "" {
		t.Errorf("posted %+v", s.posts)
	}
}

func TestSlackBotAnswers(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		tries  int
		want   string // of the error; empty: none
	}{
		{200, `{"ok":true,"ts":"1.2"}`, 1, ""},
		{200, `{"ok":true}`, 1, ""},
		{200, `{"ok":true,"ts":"<script>"}`, 1, ""},
		{200, `{"ok":false,"error":"channel_not_found"}`, 1, "channel_not_found: check the channel"},
		{200, `{"ok":false,"error":"not_in_channel"}`, 1, "invite the app"},
		{200, `{"ok":false,"error":"invalid_auth"}`, 1, "check the token"},
		{200, `{"ok":false,"error":"invalid_blocks"}`, 1, "Slack answers invalid_blocks"},
		{200, `{"ok":false,"error":"ratelimited"}`, 3, "Slack answers ratelimited, after 3 tries"},
		{200, `{"ok":false,"error":"` + botToken + `"}`, 1, "without a reason"},
		{200, `{"ok":false,"error":"Two\nlines"}`, 1, "without a reason"},
		{200, `{"ok":false}`, 1, "without a reason"},
		{200, `{}`, 1, "is not one of Slack's"},
		{200, `<html>`, 1, "is not one of Slack's"},
		{200, `{"ok":true,"x":"` + strings.Repeat("x", 300<<10) + `"}`, 1, "is not one of Slack's"},
		{503, ``, 3, "status 503, after 3 tries"},
		{429, ``, 3, "status 429, after 3 tries"},
		{404, ``, 1, "status 404"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := slack{f: func(post) *http.Response { return answer(tc.status, tc.body, "Retry-After", "1.5") }}
			err := s.bot().Notify(t.Context(), scaled())
			if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d %.60s: %v", tc.status, tc.body, err)
			}
			if len(s.posts) != tc.tries {
				t.Errorf("%d %.60s: %d tries, want %d", tc.status, tc.body, len(s.posts), tc.tries)
			}
			if err != nil && (strings.Contains(err.Error(), "hiddenhidden") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// A token of letters alone looks like one of Slack's words.
func TestSlackBotDoesNotRepeatItsToken(t *testing.T) {
	n := notify.SlackBot("hiddenhidden", "C1", notify.ChatOptions{Client: client(func(*http.Request) (*http.Response, error) {
		return answer(200, `{"ok":false,"error":"bad_hiddenhidden"}`), nil
	})})
	if err := n.Notify(t.Context(), scaled()); err == nil || strings.Contains(err.Error(), "hiddenhidden") {
		t.Errorf("got %v", err)
	}
}

func TestSlackBotValidates(t *testing.T) {
	for _, tc := range []struct {
		token, channel, base string
		want                 string // empty: right
	}{
		{botToken, "C1", "", ""},
		{botToken, "#ops", "https://slack-gov.com/api/", ""},
		{botToken, "#ops", "http://127.0.0.1:1", ""},
		{"", "C1", "", "empty token"},
		{"xoxb a", "C1", "", "with a space"},
		{"xoxb\na", "C1", "", "with a space"},
		{botToken, "", "", "no usable channel"},
		{botToken, "a b", "", "no usable channel"},
		{botToken, "C1", "http://slack.com/api", "BaseURL"},
	} {
		n := notify.SlackBot(tc.token, tc.channel, notify.ChatOptions{BaseURL: tc.base})
		err := validate(t, n)
		if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q, %q, %q: %v", tc.token, tc.channel, tc.base, err)
		}
		if err != nil && n.Notify(t.Context(), scaled()) == nil {
			t.Errorf("%q, %q, %q: it notifies", tc.token, tc.channel, tc.base)
		}
	}
	if got := fmt.Sprintf("%v %+v", notify.SlackBot(botToken, "C1"), []any{notify.SlackBot(botToken, "C1")}); got != "notify.SlackBot(slack.com) [notify.SlackBot(slack.com)]" {
		t.Errorf("got %s", got)
	}
}
