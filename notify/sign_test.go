package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/notify"
)

// signed makes a signature in the way that the docs give, not in the package's.
func signed(secret, t, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "%s.%s", t, body)
	return hex.EncodeToString(m.Sum(nil))
}

func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unix := time.Now().Unix()
		at := func(d time.Duration) string { return fmt.Sprint(unix + int64(d/time.Second)) }
		now := at(0)
		good := signed("key", now, "body")
		bad := strings.Repeat("0", 64)
		header := func(d time.Duration) string { return "t=" + at(d) + ",v1=" + signed("key", at(d), "body") }
		for name, tc := range map[string]struct {
			secret, header, body string
			maxAge               time.Duration
			want                 string // empty: no error
		}{
			"good":               {"key", "t=" + now + ",v1=" + good, "body", 0, ""},
			"upper case":         {"key", "t=" + now + ",v1=" + strings.ToUpper(good), "body", 0, ""},
			"other order":        {"key", "v1=" + good + ",t=" + now, "body", 0, ""},
			"first of two":       {"key", "t=" + now + ",v1=" + good + ",v1=" + bad, "body", 0, ""},
			"second of two":      {"key", "t=" + now + ",v1=" + bad + ",v1=" + good, "body", 0, ""},
			"of later versions":  {"key", "t=" + now + ",v2=x,v1=" + good + ",alg", "body", 0, ""},
			"old":                {"key", header(-5 * time.Minute), "body", 0, ""},
			"too old":            {"key", header(-5*time.Minute - time.Second), "body", 0, "5m1s old"},
			"ahead":              {"key", header(5 * time.Minute), "body", 0, ""},
			"too far ahead":      {"key", header(5*time.Minute + time.Second), "body", 0, "-5m1s old"},
			"own age":            {"key", header(-time.Hour), "body", time.Hour, ""},
			"beyond own age":     {"key", header(-2 * time.Second), "body", time.Second, "2s old"},
			"negative age":       {"key", header(0), "body", -1, "maxAge is -1ns"},
			"other body":         {"key", header(0), "Body", 0, "another secret or for another body"},
			"other secret":       {"kez", header(0), "body", 0, "another secret or for another body"},
			"other time":         {"key", "t=" + at(time.Second) + ",v1=" + good, "body", 0, "another secret or for another body"},
			"empty secret":       {"", "t=" + now + ",v1=" + signed("", now, "body"), "body", 0, "secret is empty"},
			"none":               {"key", "", "body", 0, "X-Autoscale-Signature is missing"},
			"no t":               {"key", "v1=" + good, "body", 0, "of the form"},
			"no v1":              {"key", "t=" + now, "body", 0, "of the form"},
			"v2 alone":           {"key", "t=" + now + ",v2=" + good, "body", 0, "of the form"},
			"two times":          {"key", "t=" + now + ",t=" + now + ",v1=" + good, "body", 0, "one time"},
			"signed t":           {"key", "t=+" + now + ",v1=" + good, "body", 0, "one time"},
			"negative t":         {"key", "t=-1,v1=" + good, "body", 0, "one time"},
			"t too large":        {"key", "t=99999999999999999999,v1=" + good, "body", 0, "one time"},
			"empty t":            {"key", "t=,v1=" + good, "body", 0, "one time"},
			"short v1":           {"key", "t=" + now + ",v1=" + good[2:], "body", 0, "64 hexadecimal digits"},
			"no hex":             {"key", "t=" + now + ",v1=" + good[:63] + "g", "body", 0, "64 hexadecimal digits"},
			"too long a header":  {"key", "t=" + now + strings.Repeat(",v1="+good, 100), "body", 0, "bytes"},
			"spaces are not cut": {"key", "t=" + now + ", v1=" + good, "body", 0, "of the form"},
		} {
			err := notify.Verify(tc.secret, tc.header, []byte(tc.body), tc.maxAge)
			switch {
			case (err == nil) != (tc.want == ""):
				t.Errorf("%s: got %v", name, err)
			case err != nil && (!errors.Is(err, notify.ErrSignature) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: got %v, want %q", name, err, tc.want)
			case err != nil && tc.secret != "" && strings.Contains(err.Error(), good):
				t.Errorf("%s: the error tells the signature: %v", name, err)
			}
		}
	})
}

// FuzzVerify holds every header against the one rule: what is accepted names a
// time and the right signature for it.
func FuzzVerify(f *testing.F) {
	const secret, body = "key", "body"
	now := fmt.Sprint(time.Now().Unix())
	f.Add("t=" + now + ",v1=" + signed(secret, now, body))
	f.Add("t=0,v1=" + strings.Repeat("0", 64))
	f.Add("t=,v1=,,==,v1")
	f.Add("t=18446744073709551615,v1=")
	f.Add("t=1099511627775,v1=" + signed(secret, "1099511627775", body))
	f.Fuzz(func(t *testing.T, header string) {
		err := notify.Verify(secret, header, []byte(body), time.Hour)
		if err != nil {
			if !errors.Is(err, notify.ErrSignature) {
				t.Errorf("%q: %v does not wrap ErrSignature", header, err)
			}
			return
		}
		_, rest, _ := strings.Cut(header, "t=")
		at, _, _ := strings.Cut(rest, ",")
		if !strings.Contains(strings.ToLower(header), signed(secret, at, body)) {
			t.Errorf("%q was accepted", header)
		}
	})
}
