package notify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/notify/internal/words/wordstest"
)

var update = flag.Bool("update", false, "write the golden files")

const page = "https://www.example.com/autoscale/?a=1&b=<2>|(3)"

// service is a service for chats.
type service struct {
	name string
	new  func(options ...notify.ChatOptions) autoscale.Notifier
}

var services = []service{
	{"slack", func(o ...notify.ChatOptions) autoscale.Notifier {
		return notify.Slack("https://hooks.example.com/x", o...)
	}},
	{"slackbot", func(o ...notify.ChatOptions) autoscale.Notifier {
		return notify.SlackBot("xoxb-1-secret", "C012", o...)
	}},
	{"discord", func(o ...notify.ChatOptions) autoscale.Notifier {
		return notify.Discord("https://hooks.example.com/x", o...)
	}},
	{"teams", func(o ...notify.ChatOptions) autoscale.Notifier {
		return notify.Teams("https://hooks.example.com/x", o...)
	}},
}

// body returns what reaches a service for an event.
func (s service) body(t *testing.T, e autoscale.Event) []byte {
	t.Helper()
	var body []byte
	n := s.new(notify.ChatOptions{Page: page, Client: client(func(r *http.Request) (res *http.Response, err error) {
		body, err = io.ReadAll(r.Body)
		return answer(200, `{"ok":true,"ts":"1.2"}`), err
	})})
	if err := n.Notify(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return body
}

// golden are the events whose bodies are kept, one or more of each tone. The words of all
// events are kept in internal/words.
var golden = []string{
	"decided, held", "scaled, up", "probe_failing, began", "needs_above_max, began", "needs_above_max, repeated", "needs_above_max, ended", "panicked, began", "hostile",
}

// What each service gets.
func TestChatBodies(t *testing.T) {
	for _, s := range services {
		var got strings.Builder
		for _, e := range append(wordstest.Events(), wordstest.Event{Name: "hostile", Event: wordstest.HostileEvent()}) {
			if !slices.Contains(golden, e.Name) {
				continue
			}
			var b bytes.Buffer
			if err := json.Indent(&b, s.body(t, e.Event), "", "  "); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "// %s\n%s\n\n", e.Name, &b)
		}
		file := "testdata/" + s.name + ".txt"
		if *update {
			if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: run with -update if this is better:\n%s", s.name, diff)
		}
	}
}

// limits are what the services document. path names what is limited: a * stands for any
// index. most counts characters, or members of a list. Of the whole body the path "" counts
// the bytes, and "characters" the characters.
var limits = map[string][]struct {
	path string
	most int
}{
	"slack": { // docs.slack.dev: blocks, text objects, messages
		{"text", 4000},
		{"blocks", 50},
		{"blocks.*.text.text", 150}, // of a header
		{"attachments", 20},
		{"attachments.*.blocks", 50},
		{"attachments.*.blocks.*.text.text", 3000},
		{"attachments.*.blocks.*.elements", 10},
		{"attachments.*.blocks.*.elements.*.text", 3000},
		{"characters", 13000}, // not documented, see slackapi/bolt-js#2509
	},
	"discord": { // discord.com/developers: execute webhook, embed limits
		{"content", 2000},
		{"embeds", 10},
		{"embeds.*.title", 256},
		{"embeds.*.description", 4096},
		{"embeds.*.fields", 25},
		{"embeds.*.url", 2048},
		{"embeds.*.fields.*.name", 256},
		{"embeds.*.fields.*.value", 1024},
		{"embeds.*.footer.text", 2048},
	},
	"teams": {{"", 28 << 10}}, // learn.microsoft.com: the size of a message
}

// maxDiscordEmbeds is how many characters the texts of all embeds may have together.
const maxDiscordEmbeds = 6000

func TestChatLimits(t *testing.T) {
	limits["slackbot"] = limits["slack"]
	long := wordstest.HostileEvent()
	events := append(wordstest.Events(), wordstest.Event{Name: "hostile", Event: long})
	for _, text := range []string{"<", "日", "\U0001F525", "a ", "_", "\""} {
		text = strings.Repeat(text, 5000)
		for kind := autoscale.EventKind(1); kind&autoscale.AllKinds != 0; kind <<= 1 {
			e := long
			e.Kind, e.Name, e.Detail, e.Err, e.Sample.Detail, e.Decision.Reason.Detail = kind, text, text, errors.New(text), text, autoscale.ReasonText(text)
			events = append(events, wordstest.Event{Name: kind.String() + " of " + text[:4], Event: e})
		}
	}
	events = append(events, wordstest.Event{Name: "the zero Event"})
	for _, s := range services {
		for _, e := range events {
			body := s.body(t, e.Event)
			var v any
			if err := json.Unmarshal(body, &v); err != nil || !utf8.Valid(body) {
				t.Fatalf("%s, %s: %v", s.name, e.Name, err)
			}
			for _, l := range limits[s.name] {
				sizes := []int{len(body)}
				switch l.path {
				case "":
				case "characters":
					sizes[0] = utf8.RuneCount(body)
				default:
					sizes = measure(v, strings.Split(l.path, "."))
				}
				for _, n := range sizes {
					if n > l.most || n == 0 {
						t.Errorf("%s, %s: %s has %d, and must have 1 to %d", s.name, e.Name, l.path, n, l.most)
					}
				}
			}
			if s.name == "discord" {
				total := 0
				for _, path := range []string{"title", "description", "fields.*.name", "fields.*.value", "footer.text"} {
					for _, n := range measure(v, strings.Split("embeds.*."+path, ".")) {
						total += n
					}
				}
				if total > maxDiscordEmbeds {
					t.Errorf("discord, %s: %d characters in all", e.Name, total)
				}
			}
		}
	}
}

// measure returns the sizes of all values at a path.
func measure(v any, path []string) []int {
	if len(path) == 0 {
		switch v := v.(type) {
		case string:
			return []int{utf8.RuneCountInString(v)}
		case []any:
			return []int{len(v)}
		}
		return nil
	}
	var sizes []int
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			sizes = append(sizes, measure(element, path[1:])...)
		}
	case map[string]any:
		if member, ok := v[path[0]]; ok {
			sizes = measure(member, path[1:])
		}
	}
	return sizes
}

// texts calls f for each string in v that is under one of the keys, with its object.
func texts(v any, f func(object map[string]any, key, text string)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			texts(element, f)
		}
	case map[string]any:
		for key, member := range v {
			if text, ok := member.(string); ok {
				f(v, key, text)
			}
			texts(member, f)
		}
	}
}

// No text of others is read as markup.
func TestChatTextIsNotMarkup(t *testing.T) {
	for _, s := range services {
		var v any
		if err := json.Unmarshal(s.body(t, wordstest.HostileEvent()), &v); err != nil {
			t.Fatal(err)
		}
		found := 0
		texts(v, func(object map[string]any, key, text string) {
			if !strings.Contains(text, "evil") {
				return
			}
			found++
			switch s.name {
			case "slack", "slackbot":
				markup := key == "text" && object["blocks"] != nil || key == "fallback"
				if markup && (strings.ContainsAny(text, "<>") || strings.Contains(text, "@e")) || !markup && object["type"] != "plain_text" {
					t.Errorf("%s: %s is %q in an object of type %v", s.name, key, text, object["type"])
				}
			case "teams":
				if object["type"] != "TextRun" {
					t.Errorf("teams: %q is in a %v, which has Markdown", text, object["type"])
				}
			case "discord":
				if object["text"] == text { // of the footer
					return
				}
				for i, r := range text {
					if strings.ContainsRune("*_~`|><#[]()@:", r) && (i == 0 || text[i-1] != '\\') {
						t.Errorf("discord: a bare %q is left in %q", r, text)
						break
					}
				}
			}
		})
		if found < 4 {
			t.Errorf("%s: the text was found %d times", s.name, found)
		}
		if s.name == "discord" {
			mentions, _ := json.Marshal(v.(map[string]any)["allowed_mentions"])
			if string(mentions) != `{"parse":[]}` {
				t.Errorf("discord: allowed_mentions is %s", mentions)
			}
		}
	}
}

func TestChatValidates(t *testing.T) {
	for _, tc := range []struct{ page, want string }{
		{"", ""},
		{"https://example.com/x", ""},
		{"http://10.0.0.1:8080/", ""},
		{"example.com/x", "must begin with https://"},
		{"javascript:alert(1)", "must begin with https://"},
		{"https://", "must begin"},
		{"https://u:secretsecret@example.com", "has a user or a password"},
		{"https://example.com/" + strings.Repeat("x", 1000), "1020 characters"},
	} {
		for _, s := range services {
			err := validate(t, s.new(notify.ChatOptions{Page: tc.page}))
			if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) || strings.Contains(fmt.Sprint(err), "secretsecret") {
				t.Errorf("%s, page %.40q: %v", s.name, tc.page, err)
			}
		}
	}
	for _, s := range services {
		if err := validate(t, s.new(notify.ChatOptions{}, notify.ChatOptions{})); err == nil {
			t.Errorf("%s takes two ChatOptions", s.name)
		}
	}
}

func FuzzDiscordText(f *testing.F) {
	for _, s := range []string{"", "a", "- a", "1. b", "<@1>", `\`, strings.Repeat("*", 700), strings.Repeat("日", 5000), wordstest.Hostile} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := wordstest.HostileEvent()
		e.Name, e.Decision.Reason.Detail = text, autoscale.ReasonText(text)
		var v any
		if err := json.Unmarshal(services[2].body(t, e), &v); err != nil {
			t.Fatal(err)
		}
		for path, most := range map[string]int{"title": 256, "description": 4096, "fields.*.value": 1024} {
			for _, n := range measure(v, strings.Split("embeds.*."+path, ".")) {
				if n == 0 || n > most {
					t.Errorf("%s has %d characters", path, n)
				}
			}
		}
	})
}
