package leader_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

// liar is a Lease that answers by a script, whatever it is asked.
type liar struct {
	script []byte
	calls  atomic.Int64
}

func (l *liar) next() byte {
	if len(l.script) == 0 {
		return 0
	}
	b := l.script[0]
	l.script = append(l.script[1:], b) // over and over
	return b
}

// number is any number, the far ends among them.
func (l *liar) number() int64 {
	switch n := l.next(); n % 8 {
	case 0:
		return 0
	case 1:
		return 1<<63 - 1
	case 2:
		return -1 << 63
	case 3:
		return -1
	case 4:
		return int64(n)
	default:
		var b [8]byte
		for i := range b {
			b[i] = l.next()
		}
		return int64(binary.BigEndian.Uint64(b[:]))
	}
}

func (l *liar) answer() (leader.Row, bool, error) {
	l.calls.Add(1)
	switch l.next() % 8 {
	case 0:
		return leader.Row{}, false, errors.New("no")
	case 1:
		return leader.Row{}, false, nil
	case 2:
		panic("of the lease")
	}
	return leader.Row{
		Holder: fmt.Sprint("somebody-", l.next()%3), Term: l.number(), Renewal: l.number(), TTL: time.Duration(l.number()),
		Left: time.Duration(l.number()), Version: l.number(), State: l.script[:min(len(l.script), 3)], Age: time.Duration(l.number()), Command: l.script,
	}, l.next()%2 == 0, nil
}

func (l *liar) Read(context.Context, string, int64) (leader.Row, error) {
	row, _, err := l.answer()
	return row, err
}

func (l *liar) Acquire(context.Context, leader.Claim, leader.Row, bool) (leader.Row, bool, error) {
	return l.answer()
}

func (l *liar) Renew(context.Context, leader.Claim, int64) (leader.Row, bool, error) {
	return l.answer()
}

func (l *liar) Release(context.Context, leader.Claim) error {
	_, _, err := l.answer()
	return err
}

func (l *liar) Save(context.Context, leader.Claim, []byte, int64) (bool, error) {
	_, ok, err := l.answer()
	return ok, err
}

func (l *liar) Command(context.Context, string, []byte) error {
	_, _, err := l.answer()
	return err
}

// FuzzLyingLease has a lease answer anything: terms that jump, times at the far ends, rows
// of others. Run asks no more often than a few times a second, trusts no term for longer
// than its TTL less the margin, and ends with its context.
func FuzzLyingLease(f *testing.F) {
	f.Add([]byte{3, 1, 1, 2, 4, 100, 0})
	f.Add([]byte{1, 7, 3, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 1})
	f.Add([]byte{4, 4, 4, 0, 2, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			l := &liar{script: append([]byte{}, script[:min(len(script), 1000)]...)}
			e := leader.New(l, &leader.Options{Name: "web", Logger: quiet})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			const long = 10 * time.Minute
			for range int(long / time.Second) {
				time.Sleep(time.Second)
				if term, ok := e.Current(); ok && time.Until(term.Until) > modelTTL {
					t.Fatalf("it trusts a term for %v", time.Until(term.Until))
				}
				e.Record()
			}
			if n := l.calls.Load(); n > 5*int64(long/time.Second) {
				t.Errorf("%d calls in %v", n, long)
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	})
}
