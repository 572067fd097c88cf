package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

// TestSharesAreFair looks at every number of workers, and at what moves when one comes.
func TestSharesAreFair(t *testing.T) {
	for _, shards := range []int{1, 16, 64, 1024} {
		var workers, before []string
		for n := range 20 {
			workers = append(workers, fmt.Sprint("worker-", n))
			owners := kubernetes.Assign(workers, shards)
			load := make(map[string]int)
			for _, w := range owners {
				load[w]++
			}
			for _, w := range workers {
				if fair := shards / (n + 1); load[w] < fair || load[w] > fair+1 {
					t.Errorf("%d workers and %d shards: %s has %d", n+1, shards, w, load[w])
				}
			}
			moved := 0
			for i := range before {
				if owners[i] != before[i] {
					moved++
				}
			}
			// The newcomer's share must move. With bounded loads some more do.
			if must := load[workers[n]]; n > 0 && moved > 3*must+shards/8+2 {
				t.Errorf("%d workers and %d shards: %d shards moved when one worker came, which got %d", n+1, shards, moved, must)
			}
			before = owners
			reversed := slices.Clone(workers)
			slices.Reverse(reversed)
			if !slices.Equal(owners, kubernetes.Assign(reversed, shards)) {
				t.Errorf("%d workers and %d shards: the order of the workers matters", n+1, shards)
			}
		}
	}
}
