package hostiletest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxCall bounds the text of what up to four calls say.
const MaxCall = 6000

// Ends calls f with a context that has a deadline, and with one that is cancelled. It fails t
// if f does not end with its context, or if its error is not a [Text].
func Ends(t *testing.T, name, secret string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	ends(ctx, t, name, secret, f)
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
	ends(ctx, t, name+", cancelled", secret, f)
}

func ends(ctx context.Context, t *testing.T, name, secret string, f func(ctx context.Context) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		Text(t, name, fmt.Sprint(err), MaxCall, secret)
	case <-time.After(time.Minute): // a text of many megabytes takes long on a busy machine
		t.Errorf("%s: the call did not end with its context", name)
	}
}

// Text fails t if a text is not fit for a log: longer than most bytes, with control
// characters other than line ends and tabs, or with a secret.
func Text(t *testing.T, name, text string, most int, secret string) {
	t.Helper()
	switch {
	case len(text) > most:
		t.Errorf("%s: a text of %d bytes: %.200q", name, len(text), text)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		t.Errorf("%s: control characters in %.300q", name, text)
	case strings.Contains(text, secret):
		t.Errorf("%s: a secret shows in %.300q", name, text)
	}
}
