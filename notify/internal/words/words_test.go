package words_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/notify/internal/words"
	"github.com/autoscalebot/autoscale/notify/internal/words/wordstest"
)

var update = flag.Bool("update", false, "write the golden files")

// The complete text of each kind and phase. Read it aloud when you change it.
func TestWords(t *testing.T) {
	var b strings.Builder
	for _, e := range wordstest.Events() {
		fmt.Fprintf(&b, "## %s\n%s\n\n", e.Name, words.Of(e.Event).Text())
	}
	const file = "testdata/words.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("run with -update if this is better:\n%s", diff)
	}
}

func TestEachKindHasWords(t *testing.T) {
	seen := map[autoscale.EventKind]bool{}
	for _, e := range wordstest.Events() {
		seen[e.Kind] = true
	}
	for kind := autoscale.EventKind(1); kind&autoscale.AllKinds != 0; kind <<= 1 {
		if !seen[kind] {
			t.Errorf("wordstest has no event of kind %v", kind)
		}
		// Without any detail too, there are words.
		for phase := autoscale.Occurred; phase <= autoscale.Ended; phase++ {
			m := words.Of(autoscale.Event{Kind: kind, Phase: phase, Time: wordstest.Now})
			if m.Title == "" || m.What == "" || m.Facts == "" || strings.Contains(m.Text(), "%!") || strings.Contains(m.Text(), "  ") {
				t.Errorf("%v, %v: %q", kind, phase, m.Text())
			}
			if m.Title == kind.String() && (phase != autoscale.Ended || wordstest.Conditions.Has(kind)) {
				t.Errorf("%v, %v has no words of its own", kind, phase)
			}
		}
	}
}

// A reader needs to know what to do about all that is not in every tick.
func TestMessagesAreComplete(t *testing.T) {
	whole := regexp.MustCompile(`^\S.*[.!?]$`)
	for _, e := range wordstest.Events() {
		m := words.Of(e.Event)
		if m.Do == "" {
			t.Errorf("%s does not say what to do", e.Name)
		}
		if e.Event.Level().String() != "INFO" && e.Phase != autoscale.Ended && e.Kind != autoscale.Probed && e.Kind != autoscale.Decided && m.Next == "" {
			t.Errorf("%s does not say what is next", e.Name)
		}
		if e.Err != nil && e.Phase != autoscale.Ended && !strings.Contains(m.Why, e.Err.Error()[1:]) {
			t.Errorf("%s does not name its error", e.Name)
		}
		for _, p := range m.Parts() {
			if !whole.MatchString(p.Text) {
				t.Errorf("%s: %q is no whole sentence", e.Name, p.Text)
			}
		}
	}
}

func TestPartsAreBounded(t *testing.T) {
	e := wordstest.HostileEvent()
	long := strings.Repeat("日本語 \n", 1000)
	for kind := autoscale.EventKind(1); kind&autoscale.AllKinds != 0; kind <<= 1 {
		for phase := autoscale.Occurred; phase <= autoscale.Ended; phase++ {
			e.Kind, e.Phase, e.Name, e.Detail, e.Err, e.Sample.Detail = kind, phase, long, long, errors.New(long), long
			e.Decision.Reason.Detail = autoscale.ReasonText(long)
			m := words.Of(e)
			for text, most := range map[string]int{m.Title: words.MaxTitle, m.What: words.MaxPart, m.Why: words.MaxPart, m.Do: words.MaxPart, m.Next: words.MaxPart, m.Facts: words.MaxFacts} {
				if n := utf8.RuneCountInString(text); n > most {
					t.Errorf("%v: %d characters, above %d", kind, n, most)
				}
				if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%v: %q is not one plain line", kind, text)
				}
			}
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 250 * time.Millisecond: "250ms", time.Second: "1 second", 90 * time.Second: "90 seconds",
		2 * time.Minute: "2 minutes", time.Hour - 1: "59 minutes", time.Hour: "1 hour", 65 * time.Minute: "1 hour 5 minutes",
		24 * time.Hour: "1 day", 50 * time.Hour: "2 days 2 hours",
	} {
		if got := words.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
