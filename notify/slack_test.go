package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
)

// slackText returns the text that reaches Slack for an event with that detail.
func slackText(t *testing.T, detail string) string {
	t.Helper()
	var body []byte
	n := notify.Webhook("https://example.com", notify.WebhookOptions{
		Template: `{"text":{{slack .Detail | json}}}`,
		Client: client(func(r *http.Request) (res *http.Response, err error) {
			body, err = io.ReadAll(r.Body)
			return answer(200, "ok"), err
		}),
	})
	if err := n.Notify(t.Context(), autoscale.Event{Detail: detail}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Text == nil {
		t.Fatalf("%q: %v", body, err)
	}
	return *got.Text
}

func TestSlack(t *testing.T) {
	r := newReceiver(t, nil)
	e := scaled()
	e.Name = `<!channel> & "co"`
	n := notify.Slack(r.URL + "/services/T0/B0/x")
	if err := validate(t, n); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := r.requests()[0]
	var message struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal([]byte(got.body), &message); err != nil {
		t.Fatal(err)
	}
	if want := "&lt;!channel&gt; &amp; \"co\": scaled "; !strings.HasPrefix(message.Text, want) {
		t.Errorf("got  %q\nwant %q…", message.Text, want)
	}
	if got.path != "/services/T0/B0/x" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("posted to %s as %s", got.path, got.header.Get("Content-Type"))
	}
}

func TestSlackValidates(t *testing.T) {
	if err := validate(t, notify.Slack("http://hooks.slack.com/services/secretpathsecret")); err == nil {
		t.Error("an unencrypted URL was accepted")
	}
}

func TestSlackCuts(t *testing.T) {
	for _, tc := range []struct{ detail, want string }{
		{strings.Repeat("é", 2999), strings.Repeat("é", 2999)},
		{strings.Repeat("é", 3001), strings.Repeat("é", 2999) + "…"},
		{strings.Repeat("&", 1000), strings.Repeat("&amp;", 599) + "…"},
	} {
		if got := slackText(t, tc.detail); got != tc.want {
			t.Errorf("of %d characters came %d, ending in %q", utf8.RuneCountInString(tc.detail), utf8.RuneCountInString(got), got[max(0, len(got)-12):])
		}
	}
}

func FuzzSlack(f *testing.F) {
	for _, s := range []string{"", "a & b", "<!channel>", "&amp;", "\xff\x00\"\\\u2028", "&&&&<<<>>>", strings.Repeat("<", 3000), strings.Repeat("日", 4000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, detail string) {
		got := slackText(t, detail)
		if n := utf8.RuneCountInString(got); n > 3000 {
			t.Errorf("%d characters", n)
		}
		if strings.ContainsAny(got, "<>") {
			t.Errorf("markup is left in %q", got)
		}
		plain := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(got)
		if strings.Count(plain, "&")+strings.Count(plain, "<")+strings.Count(plain, ">") != strings.Count(got, "&") {
			t.Errorf("a bare & is left in %q", got)
		}
		// JSON cannot hold what is no UTF-8.
		want := strings.ToValidUTF8(strings.Map(func(r rune) rune { return r }, detail), "\ufffd")
		if cut, ok := strings.CutSuffix(plain, "…"); !ok && plain != want || ok && plain != want && !strings.HasPrefix(want, cut) {
			t.Errorf("got %q of %q", plain, want)
		}
	})
}
