package names_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/names"
)

func TestLease(t *testing.T) {
	for _, tt := range []struct{ app, name, want string }{
		{"shop", "web", "shop/web"},
		{"", "web", "web"},
		{"", "a/b", "a%2Fb"},
		{"shop/prod", "web", "shop%2Fprod/web"},
		{"shop", "prod/web", "shop/prod%2Fweb"},
		{"a%2Fb", "50%", "a%252Fb/50%25"},
		{"a", "", "a/"},
	} {
		got := names.Lease(tt.app, tt.name)
		if got != tt.want {
			t.Errorf("the lease of %q and %q is %q, want %q", tt.app, tt.name, got, tt.want)
		}
		if app, name, ok := names.OfLease(got); ok != (tt.app != "") || ok && (app != tt.app || name != tt.name) {
			t.Errorf("%q is of %q and %q, %t", got, app, name, ok)
		}
	}
	for _, lease := range []string{"", "web", "/web", "a/b/c", "a%/b", "a%2f/b"} {
		if app, name, ok := names.OfLease(lease); ok {
			t.Errorf("%q is of %q and %q", lease, app, name)
		}
	}
}
