package names_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/names"
)

// No two pairs have the same lease.
func TestLease(t *testing.T) {
	seen := make(map[string][2]string)
	for _, tt := range []struct{ app, autoscaler, want string }{
		{"", "web", "web"},
		{"shop", "web", "shop/web"},
		{"", "shop/web", "shop%2Fweb"},
		{"shop/web", "web", "shop%2Fweb/web"},
		{"shop", "web/web", "shop/web%2Fweb"},
		{"shop%2Fweb", "web", "shop%252Fweb/web"},
	} {
		got := names.Lease(tt.app, tt.autoscaler)
		if other, again := seen[got]; again || got != tt.want {
			t.Errorf("Lease(%q, %q) is %q, want %q; it is also that of %q", tt.app, tt.autoscaler, got, tt.want, other)
		}
		seen[got] = [2]string{tt.app, tt.autoscaler}
	}
}
