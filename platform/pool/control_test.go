package pool_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/platformtest"
	"github.com/autoscalebot/autoscale/platform/pool"
)

const poolToken = "a-token-of-a-pool"

// A fakePool answers as the control of a Pool does, without processes.
type fakePool struct {
	*platformtest.Server
	mu        sync.Mutex
	size, max int
}

func newFakePool(t *testing.T) *fakePool {
	f := &fakePool{size: 1, max: 1000}
	f.Server = platformtest.NewServer(f, nil)
	t.Cleanup(f.Close)
	return f
}

func (f *fakePool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		var order struct{ Size int }
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Size < 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if order.Size > f.max {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"code":"above_max","message":"no"}`)
			return
		}
		f.size = order.Size
	}
	fmt.Fprintf(w, `{"size":%d,"max":%d}`, f.size, f.max)
}

// A process of a Pool orders through its control.
func TestControlScaler(t *testing.T) {
	f := newFakePool(t)
	inject := func(fault platformtest.Fault) func(bool) {
		return func(on bool) {
			f.ClearFaults()
			if on {
				fault.Times = -1
				f.Inject(fault)
			}
		}
	}
	c := pool.NewClient(poolToken, &platform.Options{BaseURL: f.URL})
	defer c.CloseIdleConnections()
	autoscaletest.Scaler(t, c.Scaler(), autoscaletest.ScalerOptions{
		Sizes: []int{2, 0, 3, 3, 1},
		Fail:  inject(platformtest.Fault{Status: 418}),
		Busy:  inject(platformtest.Fault{Method: "POST", Status: 409}),
		Limit: func(most int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.max = most; most == 0 {
				f.max = 1000
			}
		},
	})
}

func TestControlFaults(t *testing.T) {
	f := newFakePool(t)
	platformsuite.Faults(t, f.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return pool.NewClient(poolToken, &platform.Options{BaseURL: f.URL, Transport: rt}).Scaler()
	}, poolToken)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	f := newFakePool(t)
	platformsuite.Chaos(t, f.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return pool.NewClient(poolToken, &platform.Options{BaseURL: f.URL, Transport: rt}).Scaler()
	}, func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.size
	})
}
