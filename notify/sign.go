package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// HeaderSignature is the header that shows the receiver of a [Webhook] who made the
// body, and when. Its value is t=<unix seconds>,v1=<hex>, where v1 is the
// HMAC-SHA256 of t, a full stop and the body. See [Verify].
const HeaderSignature = "X-Autoscale-Signature"

// DefaultMaxAge is how old a signature may be for [Verify] if its maxAge is 0.
const DefaultMaxAge = 5 * time.Minute

// maxSignature bounds the header that Verify reads. It has room for a few signatures.
const maxSignature = 1024

// ErrSignature is wrapped by every error of [Verify].
var ErrSignature = errors.New("notify: the signature is not good")

// sign returns the header for body as of now.
func sign(secret, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// Verify is for the receivers of a [Webhook]. signature is the value of the header
// [HeaderSignature]. Verify returns nil if a holder of secret made it for body at most
// maxAge ago. If the clock of the sender is ahead, a signature is accepted up to maxAge
// in the future. If maxAge is 0, it is [DefaultMaxAge]. Verify takes the same time
// wherever the signatures differ.
//
// Somebody who intercepted a request can send it again within maxAge. If that matters,
// the receiver should remember the Idempotency-Key for that long.
//
// Every error wraps [ErrSignature]. Answer it with 401. With an empty secret, Verify
// always returns an error, because everybody knows that secret.
func Verify(secret, signature string, body []byte, maxAge time.Duration) error {
	if secret == "" {
		return fmt.Errorf("%w: the secret is empty: give the one that the sender has", ErrSignature)
	}
	if maxAge < 0 {
		return fmt.Errorf("%w: maxAge is %v: it must be above 0, or 0 for %v", ErrSignature, maxAge, DefaultMaxAge)
	}
	if maxAge == 0 {
		maxAge = DefaultMaxAge
	}
	t, macs, err := parseSignature(signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	want := mac([]byte(secret), t.text, body)
	good := false
	for _, m := range macs {
		good = hmac.Equal(m, want) || good
	}
	if !good {
		return fmt.Errorf("%w: it was made with another secret or for another body", ErrSignature)
	}
	if age := time.Since(time.Unix(t.unix, 0)); age > maxAge || age < -maxAge {
		return fmt.Errorf("%w: it is %v old and at most %v is accepted: check the clocks", ErrSignature, age.Round(time.Second), maxAge)
	}
	return nil
}

// stamp is a time as it was signed.
type stamp struct {
	text string
	unix int64
}

// parseSignature reads a header, which has one t and one or more v1. It skips
// anything that later versions may add.
func parseSignature(header string) (t stamp, macs [][]byte, err error) {
	if header == "" {
		return t, nil, fmt.Errorf("there is none: %s is missing", HeaderSignature)
	}
	if len(header) > maxSignature {
		return t, nil, fmt.Errorf("it has %d bytes, and at most %d are read", len(header), maxSignature)
	}
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "t":
			unix, err := strconv.ParseUint(value, 10, 40) // until the year 36812
			if err != nil || t.text != "" {
				return t, nil, errors.New("its t must be one time in unix seconds")
			}
			t = stamp{value, int64(unix)}
		case "v1":
			m, err := hex.DecodeString(value)
			if err != nil || len(m) != sha256.Size {
				return t, nil, fmt.Errorf("its v1 must be %d hexadecimal digits", 2*sha256.Size)
			}
			macs = append(macs, m)
		}
	}
	if t.text == "" || macs == nil {
		return t, nil, errors.New("it must be of the form t=<unix seconds>,v1=<hex>")
	}
	return t, macs, nil
}
