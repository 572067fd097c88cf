package swarm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/platformtest"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// Whatever a daemon answers, Capacity returns a size within reason or an error, and an order
// sends back all that was read.
func FuzzCapacity(f *testing.F) {
	for _, seed := range []string{
		answer(`,"UpdatedAt":"2026-11-27T02:14:54.326510221Z","UpdateStatus":{"State":"completed"}`, `"Replicated":{"Replicas":2}`, `,"X":1e400,"Labels":{"a":"b"}`),
		answer("", `"Global":{}`, ""), `[{"Slot":1,"Status":{"State":"running"}}]`, `{"message":"rpc error: code = Unknown desc = x"}`, `null`,
	} {
		f.Add(200, seed)
		f.Add(500, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status == 429 {
			return
		}
		var sent string
		next := platformtest.Answer(status, body)
		rt := transport(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				text, _ := io.ReadAll(req.Body)
				sent = string(text)
			}
			return next.RoundTrip(req)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		s := swarm.NewClient("", &platform.Options{BaseURL: "http://127.0.0.1", Transport: rt}).Scaler("web")
		c, err := s.Capacity(ctx)
		if err == nil && (status/100 != 2 || c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired) || err != nil && c != (autoscale.Capacity{}) {
			t.Errorf("%d %q became %+v, %v", status, body, c, err)
		}
		if err != nil {
			platformsuite.Text(t, "the error", err.Error())
			return
		}
		if err := s.Scale(ctx, c.Desired+1); err == nil && sent == "" {
			t.Errorf("nothing was sent after %q", body)
		}
		if sent != "" && !sameBut(t, body, sent) {
			t.Errorf("%q was sent after %q", sent, body)
		}
	})
}

// sameBut reports whether what was sent is the Spec of an answer, but for the number of
// replicas. Numbers are compared as they are written.
func sameBut(t *testing.T, answer, sent string) bool {
	t.Helper()
	read := func(text string) (v fields) {
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	a, _ := read(answer)["Spec"].(fields)
	b := read(sent)
	for _, spec := range []fields{a, b} {
		mode, _ := spec["Mode"].(fields)
		replicated, _ := mode["Replicated"].(fields)
		delete(replicated, "Replicas")
	}
	return reflect.DeepEqual(a, b)
}
