package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
)

// event is what the examples tell.
var event = autoscale.Event{
	Kind: autoscale.Scaled, Time: time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC),
	Name: "web", From: 1, To: 2, Min: 1, Max: 3,
	Decision: autoscale.Decision{Act: true, Size: 2, Reason: autoscale.Reason{Detail: autoscale.ReasonText("the queue is long")}},
}

// receive starts a server that prints what it gets.
func receive() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(os.Stdout, r.Body)
		fmt.Println()
	}))
}

// A notifier of your own is a function. It must return when ctx ends, and its
// error, which is logged, must hold no secret.
func Example() {
	s := receive()
	defer s.Close()

	beep := func(ctx context.Context, e autoscale.Event) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewBufferString(e.Name+" beeps"))
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return errors.New("beep: no answer") // err quotes the URL
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("beep: status %d", res.StatusCode)
		}
		return nil
	}
	cfg := autoscale.Config{
		Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(beep)},
		// Prober, Scaler, …
	}

	fmt.Println(cfg.Notifiers[0].Notify(context.Background(), event))
	// Output:
	// web beeps
	// <nil>
}

func ExampleConsole() {
	n := notify.Console(os.Stdout)
	n.Notify(context.Background(), event)
	// Output:
	// 2026-11-23T09:00:00Z INFO  web: scaled from 1 to 2 (bounds 1 to 3): the queue is long
}

func ExampleLog() {
	audit := slog.New(slog.NewTextHandler(os.Stdout, nil))
	n := notify.Only(notify.Log(audit), autoscale.Scaled|autoscale.Changed)
	n.Notify(context.Background(), event)
	// Output:
	// time=2026-11-23T09:00:00.000Z level=INFO msg="autoscale: web: scaled from 1 to 2 (bounds 1 to 3): the queue is long" name=web kind=scaled from=1 to=2 min=1 max=3 recommended=2 reason="the queue is long"
}

func ExampleOnly() {
	all := notify.Console(os.Stdout)
	changes := notify.Only(all, autoscale.Scaled|autoscale.Changed)

	probed := event
	probed.Kind = autoscale.Probed
	changes.Notify(context.Background(), probed) // passed over
	changes.Notify(context.Background(), event)
	// Output:
	// 2026-11-23T09:00:00Z INFO  web: scaled from 1 to 2 (bounds 1 to 3): the queue is long
}

func ExampleRecorder() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var r notify.Recorder
	r.FailNext(errors.New("out of paper"))
	go func() { // as an Autoscaler does
		fmt.Println(r.Notify(ctx, event))
		r.Notify(ctx, event)
	}()
	if err := r.Wait(ctx, 1); err != nil {
		fmt.Println(err)
	}
	for _, e := range r.Events() {
		fmt.Println(e.Kind, e.From, e.To)
	}
	// Output:
	// out of paper
	// scaled 1 2
}

func ExampleWebhook() {
	s := receive()
	defer s.Close()

	n := notify.Webhook(s.URL, notify.WebhookOptions{Secret: os.Getenv("WEBHOOK_SECRET")})
	n.Notify(context.Background(), event)
	// Output:
	// {"kind":"scaled","phase":"occurred","level":"info","time":"2026-11-23T09:00:00Z","name":"web","text":"web: scaled from 1 to 2 (bounds 1 to 3): the queue is long","from":1,"to":2,"min":1,"max":3,"recommended":2,"reason":"the queue is long"}
}

// A message of your own for Discord, instead of that of notify.Discord.
// Discord takes at most 2,000 characters, and would notify everybody of an @everyone in a
// text.
func ExampleWebhook_discord() {
	s := receive()
	defer s.Close()

	n := notify.Webhook(s.URL, notify.WebhookOptions{
		Template: `{"content":{{printf "%.2000s" .String | json}},"allowed_mentions":{"parse":[]}}`,
	})
	n.Notify(context.Background(), event)
	// Output:
	// {"content":"web: scaled from 1 to 2 (bounds 1 to 3): the queue is long","allowed_mentions":{"parse":[]}}
}

// A message of your own for Microsoft Teams, instead of that of notify.Teams. It takes an
// adaptive card, at the URL of a workflow.
func ExampleWebhook_teams() {
	s := receive()
	defer s.Close()

	n := notify.Webhook(s.URL, notify.WebhookOptions{
		Template: `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":` +
			`{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","wrap":true,"text":{{json .String}}}]}}]}`,
	})
	n.Notify(context.Background(), event)
	// Output:
	// {"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","wrap":true,"text":"web: scaled from 1 to 2 (bounds 1 to 3): the queue is long"}]}}]}
}

func ExampleSlack() {
	s := receive()
	defer s.Close()

	n := notify.Slack(s.URL, notify.ChatOptions{Page: "https://www.example.com/autoscale/"})
	n.Notify(context.Background(), event)
	// Output:
	// {"text":"web: scaled up from 1 to 2\nweb goes up from 1 to 2 processes.\nWhy: The queue is long.\nWhat to do: Nothing.\nSize 2 · bounds 1 to 3 · 23 Nov 2026, 09:00 UTC","mrkdwn":false,"blocks":[{"type":"header","text":{"type":"plain_text","text":"web: scaled up from 1 to 2","emoji":false}}],"attachments":[{"color":"#1E6FD9","fallback":"web: scaled up from 1 to 2","blocks":[{"type":"section","text":{"type":"plain_text","text":"web goes up from 1 to 2 processes.","emoji":false}},{"type":"section","text":{"type":"plain_text","text":"Why: The queue is long.","emoji":false}},{"type":"section","text":{"type":"plain_text","text":"What to do: Nothing.","emoji":false}},{"type":"context","elements":[{"type":"plain_text","text":"Size 2 · bounds 1 to 3 · 23 Nov 2026, 09:00 UTC","emoji":false},{"type":"mrkdwn","text":"<https://www.example.com/autoscale/|Status page>"}]}]}],"unfurl_links":false,"unfurl_media":false}
}

// The notices of a condition are one thread.
func ExampleSlackBot() {
	messages := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Channel string `json:"channel"`
			Thread  string `json:"thread_ts"`
			Text    string `json:"text"`
		}
		json.NewDecoder(r.Body).Decode(&m)
		title, _, _ := strings.Cut(m.Text, "\n")
		fmt.Printf("%s %s thread=%q %q\n", r.URL.Path, m.Channel, m.Thread, title)
		messages++
		fmt.Fprintf(w, `{"ok":true,"ts":"1764147600.%06d"}`, messages)
	}))
	defer s.Close()

	n := notify.SlackBot("xoxb-from-the-environment", "#ops", notify.ChatOptions{BaseURL: s.URL})
	e := autoscale.Event{Kind: autoscale.NeedsAboveMax, Phase: autoscale.Began, Name: "web", Time: event.Time, Since: event.Time, From: 3, To: 3, Min: 1, Max: 3}
	n.Notify(context.Background(), e)
	e.Phase, e.Time = autoscale.Ended, e.Time.Add(time.Hour)
	n.Notify(context.Background(), e)
	// Output:
	// /chat.postMessage #ops thread="" "web: more than 3 processes are needed"
	// /chat.postMessage #ops thread="1764147600.000001" "web: the maximum is enough again"
}

func ExampleDiscord() {
	s := receive()
	defer s.Close()

	n := notify.Discord(s.URL, notify.ChatOptions{Page: "https://www.example.com/autoscale/"})
	n.Notify(context.Background(), event)
	// Output:
	// {"embeds":[{"title":"web\\: scaled up from 1 to 2","url":"https://www.example.com/autoscale/","description":"web goes up from 1 to 2 processes.","color":1994713,"fields":[{"name":"Why","value":"The queue is long."},{"name":"What to do","value":"Nothing."}],"footer":{"text":"Size 2 · bounds 1 to 3 · 23 Nov 2026, 09:00 UTC"},"timestamp":"2026-11-23T09:00:00Z"}],"allowed_mentions":{"parse":[]}}
}

func ExampleTeams() {
	s := receive()
	defer s.Close()

	n := notify.Teams(s.URL, notify.ChatOptions{Page: "https://www.example.com/autoscale/"})
	n.Notify(context.Background(), event)
	// Output:
	// {"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4","msteams":{"width":"Full"},"body":[{"type":"Container","style":"accent","bleed":true,"items":[{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"web: scaled up from 1 to 2","weight":"Bolder","size":"Medium"}]}]},{"type":"RichTextBlock","spacing":"Small","inlines":[{"type":"TextRun","text":"web goes up from 1 to 2 processes."}]},{"type":"RichTextBlock","spacing":"Small","inlines":[{"type":"TextRun","text":"Why: ","weight":"Bolder"},{"type":"TextRun","text":"The queue is long."}]},{"type":"RichTextBlock","spacing":"Small","inlines":[{"type":"TextRun","text":"What to do: ","weight":"Bolder"},{"type":"TextRun","text":"Nothing."}]},{"type":"RichTextBlock","spacing":"Medium","inlines":[{"type":"TextRun","text":"Size 2 · bounds 1 to 3 · 23 Nov 2026, 09:00 UTC","size":"Small","isSubtle":true}]}],"actions":[{"type":"Action.OpenUrl","title":"Status page","url":"https://www.example.com/autoscale/"}]}}]}
}

// A receiver reads the body, and verifies it before it believes a word of it.
func ExampleVerify() {
	const secret = "known to both sides"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		if err := notify.Verify(secret, r.Header.Get(notify.HeaderSignature), body, 0); err != nil {
			fmt.Println(err)
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		fmt.Println("verified")
	}))
	defer s.Close()

	ctx := context.Background()
	notify.Webhook(s.URL, notify.WebhookOptions{Secret: secret}).Notify(ctx, event)
	notify.Webhook(s.URL, notify.WebhookOptions{Secret: "a guess"}).Notify(ctx, event)
	// Output:
	// verified
	// notify: the signature is not good: it was made with another secret or for another body
}
