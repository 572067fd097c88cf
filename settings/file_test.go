package settings_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/settings"
)

func TestParseFile(t *testing.T) {
	tests := []struct {
		text   string
		want   []string
		faults []string
	}{
		{"", nil, nil},
		{"\n  \n# a comment\n  # another\n", nil, nil},
		{"A=1", []string{"A=1"}, nil},
		{"\ufeffA=1\r\nB=2\r\n", []string{"A=1", "B=2"}, nil},
		{"  A \t=  1  ", []string{"A=1"}, nil},
		{"A=1\rB=2\rC=3\r", []string{"A=1", "B=2", "C=3"}, nil},
		{"A=1\r\nB=2\u2028C=3\u0085D=4\vE=5", []string{"A=1", "B=2", "C=3", "D=4", "E=5"}, nil},
		{"A={'1': 2,\r'2': 3}\rB=2", []string{"A={'1': 2, '2': 3}", "B=2"}, nil},
		{"export A=1\nexport\tB=2", []string{"A=1", "B=2"}, nil},
		{"A=\nB= # nothing", []string{"A=", "B="}, nil},
		{"A=one two # three", []string{"A=one two"}, nil},
		{"A=/path#fragment #comment", []string{"A=/path#fragment"}, nil},
		{"A=#1", []string{"A=#1"}, nil},
		{"A=b=c", []string{"A=b=c"}, nil},
		{`A='one # "two"' # three`, []string{`A=one # "two"`}, nil},
		{`A="one \"two\" \\ \n 'three'"`, []string{`A=one "two" \ \n 'three'`}, nil},
		{`A="it's"`, []string{"A=it's"}, nil},
		{`A=''`, []string{"A="}, nil},
		{`A={"0:00": 2, "9:00": 5}  # day`, []string{`A={"0:00": 2, "9:00": 5}`}, nil},
		{"A = {\n  \"0:00\": 2, # night }\n\n  '9:00': 5,\n}\nB=1", []string{`A={ "0:00": 2,   '9:00': 5, }`, "B=1"}, nil},
		{"A=['x', [1, (2)], '}']", []string{"A=['x', [1, (2)], '}']"}, nil},

		{"A", nil, []string{"f:1: this line is not a setting"}},
		{"s3cret==\nA=1", []string{"A=1"}, []string{"f:1: this line is not a setting"}},
		{"A=1\nINSTALLED_APPS += (1)\nB=2", []string{"A=1", "B=2"}, []string{"f:2: this line is not a setting"}},
		{"max_dynos=4", nil, []string{"f:1: max_dynos must be written in capital letters: MAX_DYNOS"}},
		{"exportA=1", nil, []string{"f:1: this line is not a setting"}},
		{`A="one`, nil, []string{`f:1: A has a quotation mark " that is not closed`}},
		{`A='one' two`, nil, []string{"f:1: A is followed by something that does not belong"}},
		{`A=[1] two`, nil, []string{"f:1: A is followed by something that does not belong"}},
		{"A={1\n 2\nB=3\nC=4", []string{"B=3", "C=4"}, []string{"f:1: A has a bracket that is not closed"}},
		{"A={1\n 2\n", nil, []string{"f:1: A has a bracket that is not closed"}},
		{"A={'1\nB=2", []string{"B=2"}, []string{"f:1: A has a quotation mark ' that is not closed"}},
	}
	for _, tt := range tests {
		got, faults := settings.ParseFile("f", tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.text, diff)
		}
		if len(faults) != len(tt.faults) {
			t.Errorf("%q: faults %v, want %q", tt.text, faults, tt.faults)
			continue
		}
		for i, f := range faults {
			if !strings.HasPrefix(f.Error(), tt.faults[i]) {
				t.Errorf("%q: fault %q, want it to begin with %q", tt.text, f.Error(), tt.faults[i])
			}
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	load := func(name string) error {
		_, err := settings.Load(settings.Options{File: name, FS: fstest.MapFS{
			"long.env":   {Data: make([]byte, 300<<10)},
			"binary.env": {Data: []byte("HEROKU_APP_NAME=a\x00b\n")},
			"latin1.env": {Data: []byte("# caf\xe9\n")},
		}})
		return err
	}
	if err := load("none.env"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none.env") {
		t.Errorf("a file that is not there: %v", err)
	}
	for name, want := range map[string]string{"long.env": "longer than", "binary.env": "no UTF-8 text", "latin1.env": "no UTF-8 text"} {
		if err := load(name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := settings.Load(settings.Options{File: t.TempDir() + "/none.env"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file of the machine that is not there: %v", err)
	}
}

// Most of autoscalebot's own file of settings can be pasted.
func TestPython(t *testing.T) {
	s := load(t, `
AUTOSCALE_HEARTBEAT_URL = 'http://www.example.com/heartbeat'
AUTOSCALE_MAX_RESPONSE_TIME_IN_MS = 1500
AUTOSCALE_MIN_RESPONSE_TIME_IN_MS = 400
AUTOSCALE_NUMBER_OF_FAILS_TO_SCALE_UP_AFTER = 4
AUTOSCALE_NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD = None
AUTOSCALE_NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES = None
AUTOSCALE_NOTIFY_IF_NEEDS_BELOW_MIN = True
AUTOSCALE_NOTIFY_ON_EVERY_PING = False
AUTOSCALE_NOTIFICATION_BACKENDS = [
    'autoscalebot.backends.notification.LoggerBackend',
    'autoscalebot.backends.notification.ConsoleBackend',
]
MAX_DYNOS = {
    "0:00": 2,
    "9:00": 5,
    "17:00": 2
}
TIME_ZONE = 'America/Vancouver'
`)
	c := s.Config
	if got := c.Max.String(); got != `{"0:00": 2, "9:00": 5, "17:00": 2} America/Vancouver` {
		t.Errorf("MAX_DYNOS is %s", got)
	}
	if len(c.Notifiers) != 2 || len(s.Warnings) != 0 {
		t.Errorf("%d notifiers, warnings %q; want 2 and none", len(c.Notifiers), s.Warnings)
	}
}
