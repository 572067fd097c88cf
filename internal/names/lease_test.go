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
		app, autoscaler, ok := names.SplitLease(got)
		if ok != (tt.app != "") || ok && (app != tt.app || autoscaler != tt.autoscaler) {
			t.Errorf("SplitLease(%q) is %q, %q, %v", got, app, autoscaler, ok)
		}
	}
	for _, other := range []string{"", "/", "shop/", "/web", "a/b/c", "50%/web", "shop%2fweb/web"} {
		if app, autoscaler, ok := names.SplitLease(other); ok {
			t.Errorf("SplitLease(%q) is %q, %q", other, app, autoscaler)
		}
	}
}
