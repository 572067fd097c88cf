package platformsuite

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Interrupted breaks each request of an order and of a look at the size in turn, in the time
// of a tick of two seconds. make returns a Scaler as Faults takes it, of a size that may be 1
// to 3. The size is then the one before or the one that was ordered, and the next order sets
// it.
func Interrupted(t *testing.T, server *platformtest.Server, make func(http.RoundTripper) autoscale.Scaler) {
	t.Helper()
	const tick = 2 * time.Second
	for _, fault := range []platformtest.Fault{
		{Reset: true}, {Hang: true}, {Truncate: true}, {Status: 500}, {Status: 429}, {Status: 401}, {Delay: time.Second}, {Delay: time.Minute},
	} {
		for _, apply := range []bool{false, true} {
			for nth := range 6 {
				fault.Apply, fault.Skip, fault.Times = apply, nth, 1
				t.Run(fmt.Sprintf("%+v", fault), func(t *testing.T) {
					server.ClearFaults()
					defer server.ClearFaults()
					synctest.Test(t, func(t *testing.T) {
						s := make(server.Transport())
						size := func() int {
							t.Helper()
							server.ClearFaults()
							c, err := make(server.Transport()).Capacity(t.Context())
							if err != nil {
								t.Fatal(err)
							}
							return c.Desired
						}
						within := func(f func(ctx context.Context)) {
							t.Helper()
							ctx, cancel := context.WithTimeout(t.Context(), tick)
							defer cancel()
							start := time.Now()
							f(ctx)
							if took := time.Since(start); took > tick+time.Second {
								t.Errorf("took %v of %v", took, tick)
							}
						}
						for _, n := range []int{3, 1} {
							before := size()
							server.Inject(fault)
							within(func(ctx context.Context) {
								if err := s.Scale(ctx, n); err == nil && size() != n {
									t.Errorf("the order of %d was accepted, and the size is %d", n, size())
								}
							})
							if now := size(); now < min(before, n) || now > max(before, n) {
								t.Errorf("the size was %d, %d was ordered, and it is %d", before, n, now)
							}
							time.Sleep(15 * time.Minute) // after what a refusal asked to wait
							if err := s.Scale(t.Context(), n); err != nil || size() != n {
								t.Errorf("the next order of %d: %v, and the size is %d", n, err, size())
							}
							server.Inject(fault)
							within(func(ctx context.Context) {
								if c, err := s.Capacity(ctx); err == nil && (c.Desired != n || c.Pending > n) {
									t.Errorf("the size is %d, and Capacity returned %+v", n, c)
								}
							})
							server.ClearFaults()
							time.Sleep(15 * time.Minute)
						}
					})
				})
			}
		}
	}
}
