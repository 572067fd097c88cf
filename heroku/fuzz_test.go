package heroku_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
)

// Whatever answers, a size is what the answer says in so many words, and everything
// else is an error of one line.
func FuzzAnswer(f *testing.F) {
	f.Add(200, web3, "", "4499")
	f.Add(200, `{}`, "", "")
	f.Add(200, `{"type":"web","quantity":0}`, "", "0")
	f.Add(200, `{"type":"web","quantity":1,"quantity":null}`, "", "0")
	f.Add(429, `{"id":"rate_limit"}`, "1353003093", "0")
	f.Add(422, `{"id":"cannot_run_above_limit","limit":2,"message":"Cannot run more than 2 Free size dynos."}`, "", "")
	f.Add(503, "<html>", "Mon, 02 Jan 2006 15:04:05 GMT", "x")
	f.Add(401, `{"message":"`+token+`\u0000"}`, "-1", "")
	f.Add(302, "", "", "")
	f.Add(200, "{\"type\":\"web\",\"quantity\":3,\"updated_at\":\"\x7f\"}", "", "")
	secret := regexp.MustCompile(`HRKU-[A-Za-z0-9_-]`)
	f.Fuzz(func(t *testing.T, status int, body, retryAfter, remaining string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			p := answering(formation, func(int) (*http.Response, error) {
				res := reply(status, body)
				res.Header["Retry-After"] = []string{retryAfter}
				res.Header["Ratelimit-Remaining"] = []string{remaining}
				return res, nil
			})
			scaler := client(p).Scaler("shop", "web")
			got, err := scaler.Capacity(t.Context())
			if err == nil {
				var want struct {
					Type     string `json:"type"`
					Quantity *int   `json:"quantity"`
				}
				if e := json.Unmarshal([]byte(body), &want); e != nil || status/100 != 2 || want.Type != "web" || want.Quantity == nil || *want.Quantity != got.Desired || got.Desired < 0 {
					t.Errorf("%d %q became %+v", status, body, got)
				}
				return
			}
			var e *heroku.Error
			if !errors.As(err, &e) || e.Status != status || got != (autoscale.Capacity{}) {
				t.Errorf("%d %q became %+v, %v", status, body, got, err)
			}
			if text := err.Error(); secret.MatchString(text) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 4000 {
				t.Errorf("not fit for a log: %q", text)
			}
			var limit *autoscale.LimitError
			if err := scaler.Scale(t.Context(), 5); errors.As(err, &limit) && (status != 422 || limit.Limit < 0 || limit.Limit >= limit.Size) {
				t.Errorf("%d %q became %v", status, body, err)
			}
		})
	})
}

// FuzzRawAnswer has the Platform API answer by any bytes, and hang up or not. Each call ends,
// and no size is made up.
func FuzzRawAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + `{"type":"web","quantity":3}`,
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + `{"type":"web","quantity":3}`,
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnope",
		"HTTP/1.1 429 \r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 \r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n<html>",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n",
		"HTTP/1.1 401 \r\n" + strings.Repeat("Www-Authenticate: "+token+"\r\n", 50) + "\r\n" + token,
		"HTTP/1.1 2 \x1b[31m\r\n\r\n", "\x00", "",
	} {
		f.Add([]byte(answer), false)
		f.Add([]byte(answer), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, hang bool) {
		synctest.Test(t, func(t *testing.T) {
			transport := hostiletest.Raw(answer, hang)
			defer transport.CloseIdleConnections()
			scaler := heroku.NewClient(token, &heroku.Options{BaseURL: "http://herokutest.invalid", Transport: transport}).Scaler("shop", "web")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			got, err := scaler.Capacity(ctx)
			if err == nil && !strings.Contains(string(answer), fmt.Sprint(got.Desired)) {
				t.Errorf("%+v is made up", got)
			}
			fault := func(err error) {
				if err == nil {
					return
				}
				if text := err.Error(); strings.Contains(text, token) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 4000 {
					t.Errorf("not fit for a log: %q", text)
				}
			}
			fault(err)
			fault(scaler.Scale(ctx, 5))
			if took := time.Since(start); took > time.Minute+time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}
