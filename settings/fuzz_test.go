package settings_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/autoscalebot/autoscale/settings"
)

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"", "A=1\n", "export A='1' # x\nB={\"0:00\": 2,\n# }\n}\n", "A=[", "A={'", "=\n==\n", "\ufeffA=\r\n", settings.Sample(),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		given, faults := settings.ParseFile("f", text)
		if lines := strings.Count(settings.LineEnds(text), "\n") + 1; len(given)+len(faults) > lines {
			t.Errorf("%d settings and %d faults in %d lines", len(given), len(faults), lines)
		}
		for _, g := range given {
			if strings.Contains(g, "\n") {
				t.Errorf("a setting of several lines: %q", g)
			}
		}
		// What was read is read again as the same, if it can be quoted.
		var again strings.Builder
		var want []string
		for _, g := range given {
			name, value, _ := strings.Cut(g, "=")
			want = append(want, g)
			fmt.Fprintf(&again, "%s=\"%s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value))
		}
		got, faults := settings.ParseFile("f", again.String())
		if len(faults) > 0 || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("written as %q: %q, %v, want %q", again.String(), got, faults, want)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(required, "MAX_DYNOS=4", "PATH=/")
	f.Add(required+settings.Sample(), "AUTOSCALE_MIN_DYNOS={\"9:00\": 2,}", "TIME_ZONE=Europe/Berlin")
	f.Add(required+"NOTIFICATION_BACKENDS=email:scaled, console\nADMINS=a@b.c\nSMTP_URL=smtp://u:p@h", "INCREMENT=-1", "AUTOSCALE_X=1")
	f.Add(required+"DECISION_BACKEND=average", "HEARTBEAT_URL=http://u:p@h/?q#f", "MAX_RESPONSE_TIME_IN_MS=1e9")
	f.Add("", "AUTOSCALE_\n\x1b=1", "=")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		o := settings.Options{
			File:    "f",
			FS:      fstest.MapFS{"f": {Data: []byte(text)}},
			Environ: []string{one, two},
		}
		s, err := settings.Load(o)
		if err == nil {
			if err := s.Config.Validate(); err != nil {
				t.Errorf("Load let through what Validate refuses: %v", err)
			}
			if s.App == "" || s.Zone == nil {
				t.Errorf("Load returned %+v", s)
			}
			return
		}
		var e *settings.Error
		if !errors.As(err, &e) {
			return // no text
		}
		for _, fault := range e.Faults {
			line := fault.Error()
			switch {
			case fault.Setting == "" && fault.Where == "":
				t.Errorf("a fault that only Validate named: %s", line)
			case strings.ContainsFunc(line, unicode.IsControl):
				t.Errorf("a fault with a line break or worse: %q", line)
			case len(fault.Problem) > 4*600+8:
				t.Errorf("a fault of %d bytes", len(fault.Problem))
			}
		}
	})
}
