package platform_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
)

// What a platform refused is found in the error of a call, an event or a Status.
func ExampleError() {
	err := error(&autoscale.BusyError{Err: &platform.Error{
		Platform: "fly", Op: "scale to 3", Subject: "web of app shop", Status: 429, Tries: 3, RetryAfter: time.Minute,
	}})
	var e *platform.Error
	if errors.As(err, &e) {
		fmt.Println(e.Status, e.RetryAfter)
		fmt.Println(e)
	}
	// Output:
	// 429 1m0s
	// fly: scale to 3: web of app shop: 429 Too Many Requests, after 3 tries, to be tried again in 1m0s
}
