package realtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"github.com/autoscalebot/autoscale/leader"
)

var rounds = flag.Int("rounds", 20, "of the chaos")

// A worker is one process of the service: it leads or not, and scales.
type worker struct {
	name string
	stop context.CancelFunc
	done chan error
}

// orders records who ordered in which term.
type orders struct {
	autoscale.Scaler
	e autoscale.Elector

	book *book
}

// A book has all orders that reached the API server.
type book struct {
	mu     sync.Mutex
	holder map[int64]string // of each term
	last   int64            // the greatest term in which something was ordered
	orders int
	faults []string
}

// Scale fails the test if the term of the order is over, or another worker's.
func (o orders) Scale(ctx context.Context, size int) error {
	term, leads := o.e.Current()
	err := o.Scaler.Scale(ctx, size)
	b := o.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if !leads {
		b.faults = append(b.faults, fmt.Sprintf("an order of %d without a term", size))
		return err
	}
	if who, known := b.holder[term.Number]; known && who != term.Holder {
		b.faults = append(b.faults, fmt.Sprintf("term %d is of %s and of %s", term.Number, who, term.Holder))
	}
	b.holder[term.Number] = term.Holder
	if err == nil {
		if term.Number < b.last {
			b.faults = append(b.faults, fmt.Sprintf("an order in term %d after one in term %d", term.Number, b.last))
		}
		b.last = max(b.last, term.Number)
		b.orders++
	}
	return err
}

// In each round the need changes, the leader is stopped or the API server restarted or etcd
// held up, and at the end of each the size is the one that is needed, by the orders of one
// leader at a time.
func testChaos(t *testing.T, c *kubecluster.Cluster) {
	c.Kubectl(t, manifest("Deployment", "chaos", 1), "apply", "-f", "-")
	look := client(t, c, kubecluster.AdminToken).Scaler("deployment/chaos", nil)
	settled(t, look, 1)
	b := &book{holder: map[int64]string{}}
	var mu sync.Mutex
	need := 1
	var number int
	electors := map[string]autoscale.Elector{}
	workers := map[string]*worker{}
	start := func() {
		number++
		name := fmt.Sprintf("worker-%d", number)
		k := client(t, c, kubecluster.AdminToken)
		e := k.Elector(&leader.Options{Name: "chaos", Holder: name, TTL: 2 * time.Second, Renew: 250 * time.Millisecond, Logger: quiet})
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				mu.Lock()
				defer mu.Unlock()
				return autoscale.Sample{Signals: autoscale.SignalValue, Value: float64(need)}, nil
			}),
			Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				return autoscale.Decision{Act: true, Size: int(o.Samples[len(o.Samples)-1].Value)}
			}),
			Scaler: orders{k.Scaler("deployment/chaos", nil), e, b}, Elector: e, Max: autoscale.Fixed(20),
			Interval: 200 * time.Millisecond, Timeout: 3 * time.Second, Logger: quiet,
		})
		ctx, cancel := context.WithCancel(context.Background())
		w := &worker{name, cancel, make(chan error, 1)}
		go func() { w.done <- a.Run(ctx) }()
		workers[name], electors[name] = w, e
	}
	for range 3 {
		start()
	}
	defer func() {
		for _, w := range workers {
			w.stop()
			<-w.done
		}
	}()
	leading := func() (name string) {
		for n, e := range electors {
			if _, leads := e.Current(); leads {
				if name != "" {
					t.Errorf("%s and %s lead at once", name, n)
				}
				name = n
			}
		}
		return name
	}
	random := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	var longest time.Duration
	for round := range *rounds {
		fault := []string{"leader stopped", "leader stopped", "API server killed", "API server restarted", "etcd held up", "nothing"}[random.IntN(6)]
		counts[fault]++
		mu.Lock()
		need = 1 + random.IntN(9)
		mu.Unlock()
		switch fault {
		case "leader stopped":
			until(t, "one leads", func() bool { return leading() != "" })
			if name := leading(); name != "" {
				workers[name].stop()
				<-workers[name].done
				delete(workers, name)
				delete(electors, name)
				start()
			}
		case "API server killed", "API server restarted":
			how := syscall.SIGKILL
			if fault == "API server restarted" {
				how = syscall.SIGTERM
			}
			c.StopAPI(how)
			if err := c.StartAPI(t.Context()); err != nil {
				t.Fatal(err)
			}
		case "etcd held up":
			if err := errors.Join(c.SignalEtcd(syscall.SIGSTOP), pause(t.Context(), 3*time.Second), c.SignalEtcd(syscall.SIGCONT)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		mu.Lock()
		want := need
		mu.Unlock()
		until(t, fmt.Sprintf("round %d, %s: the size is %d", round, fault, want), func() bool {
			leading()
			now, err := look.Capacity(t.Context())
			return err == nil && now.Desired == want
		})
		longest = max(longest, time.Since(began))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		t.Error(f)
	}
	t.Logf("%d rounds (%v): %d orders in %d terms, %d violations; the size was right %v after a fault at the latest", *rounds, counts, b.orders, len(b.holder), len(b.faults), longest.Round(10*time.Millisecond))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
