package names_test

import (
	"testing"

	"github.com/autoscalebot/autoscale/internal/names"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 processes", 1: "1 process", 2: "2 processes", -1: "-1 processes"} {
		if got := names.Count(n, "process", "processes"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
