package kubernetes

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

// The headers of a request for a report and of its answer.
const (
	headerNonce  = "Autoscale-Nonce"
	headerSigned = "Autoscale-Signature"
	headerMember = "Autoscale-Member"
	headerAge    = "Autoscale-Age" // of the report, in milliseconds
)

// maxNonce bounds a nonce, in bytes.
const maxNonce = 64

// A question is a request for a report. Its nonce has an answer be to this question and to no
// earlier one, and the host has it be from the pod that was asked.
type question struct{ host, nonce string }

func newQuestion(host string) question { return question{host, rand.Text()} }

func (q question) mac(token, part string, rest ...string) string {
	h := hmac.New(sha256.New, []byte(token))
	for _, text := range append([]string{part, q.host, q.nonce}, rest...) {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sign signs the request.
func (q question) sign(h http.Header, token string) {
	h.Set(headerNonce, q.nonce)
	h.Set(headerSigned, q.mac(token, "ask"))
}

// asked reports whether the request was signed with the token.
func (q question) asked(h http.Header, token string) bool {
	return hmac.Equal([]byte(h.Get(headerSigned)), []byte(q.mac(token, "ask")))
}

// answer signs the answer.
func (q question) answer(h http.Header, body []byte, token string) {
	h.Set(headerSigned, q.mac(token, "answer", h.Get(headerMember), h.Get(headerAge), string(body)))
}

// answered reports whether the answer is to this question and signed with the token.
func (q question) answered(h http.Header, body []byte, token string) bool {
	want := q.mac(token, "answer", h.Get(headerMember), h.Get(headerAge), string(body))
	return hmac.Equal([]byte(h.Get(headerSigned)), []byte(want))
}

// ServeHTTP serves the report of this process, to who can sign the request with the Token.
func (b *PodBoard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if b.fault != nil {
		http.Error(w, b.fault.Error(), http.StatusServiceUnavailable)
		return
	}
	if r.Method != http.MethodGet {
		h.Set("Allow", http.MethodGet)
		http.Error(w, "kubernetes: use GET", http.StatusMethodNotAllowed)
		return
	}
	q := question{r.Host, r.Header.Get(headerNonce)}
	if len(q.nonce) < 16 || len(q.nonce) > maxNonce || !q.asked(r.Header, b.opts.Token) {
		http.Error(w, "kubernetes: the request is not signed with the Token of this pod", http.StatusUnauthorized)
		return
	}
	b.mu.Lock()
	member, report, age := b.member, b.report, time.Since(b.at)
	b.mu.Unlock()
	h.Set("Content-Type", "application/octet-stream")
	h.Set(headerMember, url.QueryEscape(member))
	h.Set(headerAge, strconv.FormatInt(age.Milliseconds(), 10))
	if len(report) == 0 {
		h.Set(headerAge, "0")
	}
	q.answer(h, report, b.opts.Token)
	_, _ = w.Write(report)
}

// readReport reads the body of an answer.
func readReport(res *http.Response) ([]byte, error) {
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d instead of 200", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, traffic.MaxReportSize+1))
	if err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if len(body) > traffic.MaxReportSize {
		return nil, fmt.Errorf("its answer has more than %d bytes", traffic.MaxReportSize)
	}
	return body, nil
}
