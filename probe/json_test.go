package probe_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/wire"
	"github.com/autoscalebot/autoscale/probe"
)

// query is what Prometheus answers to an instant query that one series matches.
const query = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"queue":"mail"},"value":[1764000000.123,"3.14"]}]}}`

func ExampleJSON() {
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1764000000.123,"37"]}]}}`)
	}))
	defer prometheus.Close()

	p := &probe.JSON{
		URL:    prometheus.URL + "/api/v1/query?query=sum(jobs_waiting)",
		Path:   "data.result.0.value.1",
		Signal: autoscale.SignalBacklog,
	}
	defer p.CloseIdleConnections()
	fmt.Println(p.Probe(context.Background()))
	// Output: backlog 37 <nil>
}

// answering is a client whose every answer is the document.
func answering(document string) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.WriteString(document)
		res := w.Result()
		res.Request = r
		return res, nil
	})}
}

func TestJSONPath(t *testing.T) {
	large := `"` + strings.Repeat("x", 1<<20-2) + `"`
	for _, tt := range []struct {
		document, path string
		want           float64
		err            string // "": a sample
	}{
		{document: query, path: "data.result.0.value.1", want: 3.14},
		{document: query, path: "data.result.0.value.0", want: 1764000000.123},
		{document: query, path: `"data"."result".0.value.1`, want: 3.14},
		{document: " 42\n", want: 42},
		{document: `"42"`, want: 42},
		{document: "-1.5e3", want: -1500},
		{document: `{"a.b":{"":{"0":7}}}`, path: `"a.b"."".0`, want: 7},
		{document: `{"a\"b":7}`, path: `"a\"b"`, want: 7},
		{document: `{"a b":[[1,2],[3,4]]}`, path: "a b.1.0", want: 3},
		{document: `{"huge":1e999,"n":1}`, path: "n", want: 1},
		{document: `{"n":1,"n":2}`, path: "n", err: `the answer has the key "n" 2 times`},

		{document: `{"status":"success","data":{"result":[]}}`, path: "data.result.0.value.1", err: "data.result has no element 0: it is an empty array"},
		{document: query, path: "data.result.1.value.1", err: "data.result has no element 1: it is an array of length 1"},
		{document: query, path: `data.result."0"`, err: `data.result has no element "0": it is an array`},
		{document: query, path: "data.result.first", err: "data.result has no element first"},
		{document: query, path: "data.result.-1", err: "data.result has no element -1"},
		{document: query, path: "data.results.0", err: `data has no key "results": it is an object with the keys "result", "resultType"`},
		{document: `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}`, path: "h", err: `the answer has no key "h": it is an object with the keys "a", "b", "c", "d", "e" and 2 more`},
		{document: query, path: "data.result.0.value", err: "data.result.0.value is an array of length 2, and not a number"},
		{document: query, path: "data.result.0.value.1.2", err: "data.result.0.value.1 is a string, with no 2 in it"},
		{document: `{"n":null}`, path: "n", err: "n is null, and not a number"},
		{document: `{"n":true}`, path: "n", err: "n is true, and not a number"},
		{document: `{"n":{}}`, path: "n", err: "n is an empty object, and not a number"},
		{document: `{"n":""}`, path: "n", err: "n is an empty string, and not a number"},
		{document: `{"n":"secret"}`, path: "n", err: "n is a string, and not a number"},
		{document: `{"n":"secret"}`, path: "n.m", err: "n is a string, with no m in it"},
		{document: `{"n":"NaN"}`, path: "n", err: "n is NaN, and not a finite number"},
		{document: `{"n":"+Inf"}`, path: "n", err: "n is +Inf, and not a finite number"},
		{document: `{"n":1e999}`, path: "n", err: "n is 1e999, and not a finite number"},
		{document: large, err: "the answer is a string, and not a number"},
		{document: large + " ", err: "larger than 1048576 bytes"},
		{document: "", err: "the answer is empty"},
		{document: "<html>", err: "the answer is not JSON: invalid character '<'"},
		{document: `{"n":NaN}`, path: "n", err: "the answer is not JSON"},
		{document: "1 2", err: "more follows the first value"},
		{document: `{"n":1`, path: "n", err: "the answer is not JSON: unexpected EOF"},
	} {
		p := &probe.JSON{URL: "http://example.com/page?key=secret", Path: tt.path, Client: answering(tt.document)}
		s, err := p.Probe(t.Context())
		switch {
		case tt.err == "" && (err != nil || s.Signals != autoscale.SignalValue || s.Value != tt.want || s.Time.IsZero() || s.Failure != 0):
			t.Errorf("%.60s at %s: %+v, %v; want the value %v", tt.document, tt.path, s, err, tt.want)
		case tt.err != "" && (err == nil || s != autoscale.Sample{}):
			t.Errorf("%.60s at %s: %+v, %v; want no sample and an error", tt.document, tt.path, s, err)
		case tt.err != "" && !strings.HasPrefix(err.Error(), "autoscale: probe http://example.com/page: nothing was measured: "),
			tt.err != "" && !strings.Contains(err.Error(), tt.err):
			t.Errorf("%.60s at %s: the error %q does not say %q", tt.document, tt.path, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%.60s at %s: a secret shows in %q", tt.document, tt.path, err)
		case err != nil && len(err.Error()) > 500:
			t.Errorf("%.60s at %s: an error of %d bytes", tt.document, tt.path, len(err.Error()))
		}
	}
}

func TestJSONSignal(t *testing.T) {
	for signal, want := range map[autoscale.Signals]autoscale.Sample{
		0:                           {Signals: autoscale.SignalValue, Value: 0.25},
		autoscale.SignalValue:       {Value: 0.25},
		autoscale.SignalLatency:     {Latency: 250 * ms},
		autoscale.SignalQueueTime:   {QueueTime: 250 * ms},
		autoscale.SignalServiceTime: {ServiceTime: 250 * ms},
		autoscale.SignalThroughput:  {Throughput: 0.25},
		autoscale.SignalArrivals:    {Arrivals: 0.25},
		autoscale.SignalBusy:        {Busy: 0.25},
		autoscale.SignalUtilization: {Utilization: 0.25},
		autoscale.SignalBacklog:     {Backlog: 0.25},
	} {
		want.Signals |= signal
		got, err := (&probe.JSON{URL: "http://example.com", Signal: signal, Client: answering("0.25")}).Probe(t.Context())
		got.Time = time.Time{}
		if err != nil || got != want {
			t.Errorf("%v: %+v, %v; want %+v", signal, got, err, want)
		}
		if signal == 0 || signal == autoscale.SignalValue {
			continue
		}
		_, err = (&probe.JSON{URL: "http://example.com", Signal: signal, Client: answering("-0.25")}).Probe(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the answer is -0.25, and no "+signal.String()+" is negative") {
			t.Errorf("%v: a negative one: %v", signal, err)
		}
	}
	p := &probe.JSON{URL: "http://example.com", Signal: autoscale.SignalQueueTime, Client: answering("9223372036.854775807")}
	if _, err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "it must be in seconds") {
		t.Errorf("a time of 292 years: %v", err)
	}
}

func TestJSONErrors(t *testing.T) {
	mux := http.NewServeMux()
	status := func(path string, code int) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/value?key=secret")
			w.WriteHeader(code)
			fmt.Fprint(w, `{"value":1,"you sent":"`, r.Header.Get("Authorization"), `"}`)
		})
	}
	status("/value", 200)
	status("/moved", 302)
	status("/locked", 401)
	status("/down", 503)
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"value":1}`)
	})
	hang := make(chan struct{})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	mux.HandleFunc("/hang-in-body", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"value":1}`)
		http.NewResponseController(w).Flush()
		<-hang
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang) // before Close, which waits for the handlers
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	for _, tt := range []struct{ url, err string }{
		{server.URL + "/value?key=secret", ""},
		{server.URL + "/moved?key=secret", "status 302 redirects to " + server.URL + "/value, and redirects are not followed"},
		{server.URL + "/locked?key=secret", "status 401: check probe.JSON.URL"},
		{server.URL + "/down?key=secret", "status 503"},
		{server.URL + "/half?key=secret", "read the answer: unexpected EOF"},
		{server.URL + "/hang?key=secret", "no whole answer within"},
		{server.URL + "/hang-in-body?key=secret", "raise probe.JSON.Timeout"},
		{"http://user:secret@" + closed.Addr().String() + "/?key=secret", "connection refused"},
		{"http://no-such-host.invalid/?key=secret", "no-such-host.invalid"},
	} {
		p := &probe.JSON{URL: tt.url, Path: "value", Timeout: time.Minute, Header: http.Header{"Authorization": {"Bearer secret"}}}
		if strings.Contains(tt.url, "/hang") {
			p.Timeout = 50 * ms
		}
		s, err := p.Probe(t.Context())
		switch {
		case tt.err == "" && (err != nil || s.Value != 1):
			t.Errorf("%s: %+v, %v", tt.url, s, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || s != autoscale.Sample{}):
			t.Errorf("%s: %+v, %v; want no sample, and an error that says %q", tt.url, s, err, tt.err)
		}
		if text := fmt.Sprintf("%v %v %+v %#v %s", err, p, p, p, p); strings.Contains(text, "secret") {
			t.Errorf("%s: a secret shows in %q", tt.url, text)
		}
		p.CloseIdleConnections()
	}
}

func TestJSONAsks(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		fmt.Fprint(w, "5")
	}))
	defer server.Close()
	asked := 0
	p := &probe.JSON{
		URL: "/jobs?queue=mail", Timeout: 1500 * ms, Header: http.Header{"Authorization": {"Bearer secret"}},
		Base: func(context.Context) (string, error) { asked++; return server.URL + "/", nil },
	}
	defer p.CloseIdleConnections()
	for range 2 {
		if s, err := p.Probe(t.Context()); err != nil || s.Value != 5 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if asked != 1 || got.URL.String() != "/jobs?queue=mail" || got.Header.Get(wire.HeaderTimeout) != "1500" || got.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("asked for the base %d times, and for %s with %v", asked, got.URL, got.Header)
	}
	p.Path = "value"
	for range 2 {
		p.Probe(t.Context())
	}
	if asked != 2 {
		t.Errorf("asked for the base %d times, want 2: once more after a probe that measured nothing", asked)
	}
}

func TestJSONEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		p := &probe.JSON{URL: "http://example.com", Client: client}
		begin := time.Now()
		if _, err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "within 2s") || time.Since(begin) != probe.DefaultTimeout {
			t.Errorf("%v after %v, want the default timeout", err, time.Since(begin))
		}
		stopped := errors.New("the host stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*ms, func() { cancel(stopped) })
		if _, err := p.Probe(ctx); !errors.Is(err, stopped) {
			t.Errorf("%v, want the context's cause", err)
		}
	})
}

func TestJSONValidate(t *testing.T) {
	const url = "http://example.com"
	for _, tt := range []struct {
		p    *probe.JSON
		want []string // none: valid
	}{
		{p: &probe.JSON{URL: url}},
		{p: &probe.JSON{URL: url, Path: `a."b.c"."".0`, Signal: autoscale.SignalBusy}},
		{p: &probe.JSON{}, want: []string{"probe.JSON.URL is empty"}},
		{p: &probe.JSON{URL: "/relative"}, want: []string{"probe.JSON.URL is relative and Base is nil"}},
		{p: &probe.JSON{URL: url, Path: "a..b"}, want: []string{`probe.JSON.Path is "a..b": a key is missing`}},
		{p: &probe.JSON{URL: url, Path: "a."}, want: []string{"a key is missing"}},
		{p: &probe.JSON{URL: url, Path: `"a.b`}, want: []string{"a quote does not end"}},
		{p: &probe.JSON{URL: url, Path: `"a"b`}, want: []string{`a dot is missing after "a"`}},
		{p: &probe.JSON{URL: url, Path: `a"b`}, want: []string{`quote the whole key, as "a\"b"`}},
		{
			p:    &probe.JSON{URL: "ftp://example.com", Path: ".", Timeout: 5, Signal: autoscale.SignalBusy | autoscale.SignalValue},
			want: []string{"must begin with http", "a key is missing", "probe.JSON.Timeout is 5ns", "probe.JSON.Signal is busy|value (288)"},
		},
		{p: &probe.JSON{URL: url, Signal: 1 << 9}, want: []string{"probe.JSON.Signal is"}},
	} {
		err := tt.p.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%v with path %q: %v", tt.p, tt.p.Path, err)
		}
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v with path %q: %v does not say %q", tt.p, tt.p.Path, err, want)
			}
		}
		if _, probe := tt.p.Probe(canceled(t)); err != nil && (probe == nil || !strings.Contains(probe.Error(), err.Error())) {
			t.Errorf("Probe returned %v, and Validate %v", probe, err)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// FuzzJSON reads any document by any path: what comes out is a finite
// value, or an error of a bounded length.
func FuzzJSON(f *testing.F) {
	f.Add(query, "data.result.0.value.1", uint16(0))
	f.Add(`{"a.b":{"":[-1,"2e3"]}}`, `"a.b"."".1`, uint16(autoscale.SignalQueueTime))
	f.Add(`[null,1e999,"NaN"]`, "2", uint16(autoscale.SignalBacklog))
	f.Add("1e300", "", uint16(autoscale.SignalLatency))
	f.Fuzz(func(t *testing.T, document, path string, signal uint16) {
		p := &probe.JSON{URL: "http://example.com", Path: path, Signal: autoscale.Signals(signal), Client: answering(document)}
		invalid := p.Validate()
		s, err := p.Probe(t.Context())
		switch {
		case err != nil:
			if s != (autoscale.Sample{}) {
				t.Errorf("%q at %q: %+v with the error %v", document, path, s, err)
			}
			if invalid == nil && len(err.Error()) > 4*len(path)+2000 {
				t.Errorf("%q at %q: an error of %d bytes", document, path, len(err.Error()))
			}
			return
		case invalid != nil:
			t.Fatalf("%q at %q: a sample, with settings that are not valid: %v", document, path, invalid)
		}
		if s.Signals == 0 || signal != 0 && s.Signals != autoscale.Signals(signal) {
			t.Errorf("the signals %v, of %v", s.Signals, signal)
		}
		for _, v := range []float64{
			s.Latency.Seconds(), s.QueueTime.Seconds(), s.ServiceTime.Seconds(),
			s.Throughput, s.Arrivals, s.Busy, s.Utilization, s.Backlog, s.Value,
		} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 && v != s.Value {
				t.Errorf("%q at %q: %+v", document, path, s)
			}
		}
	})
}
