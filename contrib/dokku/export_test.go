package dokku

import (
	"testing"
	"time"
)

// RefuseWithin shortens for a test how long Scale waits for Dokku to refuse an order.
func RefuseWithin(t *testing.T, d time.Duration) {
	before := refusal
	refusal = d
	t.Cleanup(func() { refusal = before })
}
