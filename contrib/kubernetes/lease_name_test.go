package kubernetes

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
)

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func TestObjectName(t *testing.T) {
	for lease, want := range map[string]string{
		"web":                        "autoscale-web",
		"quiet-river/web":            "autoscale-quiet-river.web",
		"quiet-river/web\x1fhistory": "autoscale-quiet-river.web--1fhistory",
		"a%2Fb/c":                    "autoscale-a--252--46b.c",
		"a/b%2Fc":                    "autoscale-a.b--252--46c",
		"Web":                        "autoscale---57eb",
		"-a":                         "autoscale---2da",
		"a--b":                       "autoscale-a--2d--2db",
		"a-/b":                       "autoscale-a--2d--2fb",
		"a.b":                        "autoscale-a--2eb",
		"é":                          "autoscale---c3--a9",
		strings.Repeat("a", 243):     "autoscale-" + strings.Repeat("a", 243),
	} {
		got := objectName(lease)
		if got != want {
			t.Errorf("the lease %q has the object %q, want %q", lease, got, want)
		}
	}
	if long, other := objectName(strings.Repeat("\u00e9", 100)), objectName(strings.Repeat("\u00e8", 100)); long == other || len(long) != len("autoscale---h")+64 {
		t.Errorf("two long leases have the objects %q and %q", long, other)
	}
}

// decode is the inverse of objectName, but for a hash.
func decode(object string) (lease string, ok bool) {
	var b strings.Builder
	for s := strings.TrimPrefix(object, objectPrefix); s != ""; {
		switch {
		case strings.HasPrefix(s, "--h"):
			return "", false
		case strings.HasPrefix(s, "--"):
			c := strings.Index("0123456789abcdef", s[2:3])<<4 | strings.Index("0123456789abcdef", s[3:4])
			b.WriteByte(byte(c))
			s = s[4:]
		case s[0] == '.':
			b.WriteByte('/')
			s = s[1:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String(), true
}

// Each name of an object is one that Kubernetes allows, and says of which lease it is.
func FuzzObjectName(f *testing.F) {
	for _, s := range []string{"web", "a/b", "a//b", "-", "--", "a-b", "a-", "/", "%", "--2d", "a--2fb", "--h", "a.b", "\x1f", "Z", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, lease string) {
		if lease == "" || !utf8.ValidString(lease) {
			return
		}
		object := objectName(lease)
		if len(object) > maxObjectName || !subdomain.MatchString(object) {
			t.Errorf("the lease %q has the object %q, which is no name", lease, object)
		}
		if back, ok := decode(object); ok && back != lease {
			t.Errorf("the lease %q has the object %q of the lease %q", lease, object, back)
		}
	})
}

// Whatever an API server sends as a Lease or a ConfigMap is read without a panic, and nothing
// that is too large is kept.
func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"autoscale-web","resourceVersion":"7","annotations":{"autoscalebot.github.io/name":"web","autoscalebot.github.io/command":"AAEC"}},"spec":{"holderIdentity":"a","leaseDurationSeconds":30,"leaseTransitions":3,"renewTime":"2026-11-26T18:00:00.000001Z"}}`))
	f.Add([]byte(`{"metadata":{"name":"autoscale-web","resourceVersion":"7","annotations":{"autoscalebot.github.io/name":"web","autoscalebot.github.io/version":"5"}},"binaryData":{"state":"AAEC","history":"AA=="}}`))
	f.Add([]byte(`{"spec":{"leaseDurationSeconds":-1,"leaseTransitions":-7}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var lease leaseObject
		if json.Unmarshal(data, &lease) == nil && lease.check("web") == nil {
			row, err := lease.row()
			if err == nil && (len(row.Command) > autoscale.MaxCommand || row.TTL <= 0 || (row.Left > 0) != (row.Holder != "")) {
				t.Errorf("the row is %+v", row)
			}
		}
		var o configMap
		if json.Unmarshal(data, &o) == nil {
			if r, err := o.record("web"); err == nil && (len(r.state) > autoscale.MaxState || r.term < 0 || r.version < 0) {
				t.Errorf("the record is %+v", r)
			}
		}
	})
}
