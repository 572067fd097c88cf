package traffic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// The service measures its own traffic, and its autoscaler decides by it.
func Example() {
	t := traffic.New(nil)
	var scaler autoscale.Scaler // of package heroku, say
	a := autoscale.New(autoscale.Config{Prober: t, Scaler: scaler})
	_ = a // go a.Run(ctx)

	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Hello") })
	server := httptest.NewServer(t.Handler(page)) // http.ListenAndServe(addr, t.Handler(mux))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: Hello
}

// A window of a minute suits a service with few requests. Requests for static files say
// nothing about its load.
func ExampleNew() {
	t := traffic.New(&traffic.Options{
		Window: time.Minute,
		Skip:   func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/static/") },
	})
	fmt.Println(t.Validate())

	_, err := t.Probe(context.Background())
	fmt.Println(err)
	// Output:
	// <nil>
	// traffic: warming up: nothing is measured yet: it takes a few seconds from the first request, or 1m0s without one; 0s have passed since New
}

// The requests and the processors make one sample.
func ExampleCPU() {
	prober := autoscale.Merge(traffic.New(nil), &traffic.CPU{})
	_, err := prober.Probe(context.Background())
	fmt.Println(err)
	// Output:
	// autoscale: merge: nothing was measured: prober 1 of 2: traffic: warming up: nothing is measured yet: it takes a few seconds from the first request, or 15s without one; 0s have passed since New
	// prober 2 of 2: traffic: warming up: nothing is measured yet: the CPU is measured from one probe to the next, and this was the first
}

// Each process publishes what it measured, and the one that leads adds it up.
func ExampleShared() {
	shared := &traffic.Shared{
		Traffic:      traffic.New(nil),
		MetricsBoard: nil, // leader.MetricsBoard(db, nil)
	}
	fmt.Println(shared.Validate()) // go shared.Run(ctx)
	// Output: traffic: Shared.MetricsBoard is nil: give one, as leader.MetricsBoard(db, nil)
}
