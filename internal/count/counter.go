// Package count counts the requests of one process, second by second, and adds up the
// counts of several processes. Package traffic uses it with the real clock, and package sim
// with a simulated one: every method takes the moment as an argument.
package count

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Seconds is how far back a Counter remembers.
const Seconds = 60

// A Shard is a part of the counts since the beginning. Requests on different processors
// mostly count in different shards, so that they do not wait for each other's memory. A
// shard is never reset: a window is the difference between two moments. All arithmetic wraps
// around, which leaves differences right.
type Shard struct {
	begun  atomic.Uint64 // requests
	times  atomic.Int64  // the moments at which requests ended, less those at which they began, in ns
	served atomic.Int64  // time in the handler, of those in slots but the last, in ns
	waits  [waitSlots]atomic.Uint32
	slots  [slots + 1]atomic.Uint32
	_      [128 - (3*8+(waitSlots+slots+1)*4)%128]byte // the next shard's are on other cache lines
}

// totals are the sums over all shards at the end of one second.
type totals struct {
	begun  uint64
	busy   int64 // integral of the requests in progress over time, in ns
	served int64
	waits  [waitSlots]uint32
	slots  [slots + 1]uint32 // the last: longer than Longest
	peak   uint32            // the most requests in progress at once within that second
}

// A Counter counts events, by the second in which they happened. It is safe for
// concurrent use. Moments are nanoseconds since it began.
//
// The first event of a second, or the first call of Report in it, records the totals at the
// second's beginning. All other events of that second wait until this is done, for about a
// microsecond. An event before a boundary is therefore counted before it. An event that was
// being counted when the totals were taken counts in the next second, with its true times.
type Counter struct {
	longest  time.Duration // of a request that has a service time
	shards   []Shard
	pool     sync.Pool     // of *Shard: one for each processor that the runtime uses
	turn     atomic.Uint32 // of the shards, to be put into the pool
	next     atomic.Int64  // when the present second ends
	progress atomic.Int64  // requests in progress
	peak     atomic.Int64  // the most of them within the present second

	mu      sync.Mutex
	last    int64     // the last boundary that was recorded, in seconds
	first   int64     // the boundary after the first request; 0: there was none
	history []*totals // at boundary i, at index i modulo its length
}

// maxShards keeps the whole below 80 KiB.
const maxShards = 8

// New returns a Counter. A request that takes more than longest has no service time.
// One that counts from a single goroutine needs one shard; 0 means as many as the
// runtime's processors call for.
func New(longest time.Duration, shards int) *Counter {
	if shards == 0 {
		shards = min(2*runtime.GOMAXPROCS(0), maxShards)
	}
	c := &Counter{longest: longest, shards: make([]Shard, shards)}
	c.pool.New = func() any { return &c.shards[c.turn.Add(1)%uint32(len(c.shards))] }
	c.next.Store(int64(time.Second))
	c.history = make([]*totals, Seconds+1)
	for i := range c.history {
		c.history[i] = new(totals) // one large block would be rounded up by kilobytes
	}
	return c
}

// Advance records all seconds that ended by now, and reports whether any had. Begin,
// End and Leave count in the second of the last call, so it comes before them.
func (c *Counter) Advance(now int64) bool {
	if now < c.next.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record(now)
}

// Begin counts a request that begins now, and returns its shard. waited is how long it
// waited for this process, or negative if that is not known.
func (c *Counter) Begin(now int64, waited time.Duration) *Shard {
	s := &c.shards[0]
	if len(c.shards) > 1 {
		// The pool hands out the shard of this processor. Another goroutine may use it at
		// the same time, which is only slower.
		s = c.pool.Get().(*Shard)
		c.pool.Put(s)
	}
	if waited >= 0 {
		s.waits[waitSlotOf(waited)].Add(1)
	}
	s.begun.Add(1)
	s.times.Add(-now)
	for n := c.progress.Add(1); ; {
		peak := c.peak.Load()
		if n <= peak || c.peak.CompareAndSwap(peak, n) {
			return s
		}
	}
}

// End counts the end of a request that began at the given moment.
func (c *Counter) End(s *Shard, began, now int64) {
	c.progress.Add(-1)
	s.times.Add(now)
	slot := slots
	if took := time.Duration(now - began); took <= c.longest {
		s.served.Add(int64(took))
		slot = slotOf(took)
	}
	s.slots[slot].Add(1)
}

// Leave takes back the arrival of a request that is a waiting connection. From now on it is
// not in progress.
func (c *Counter) Leave(s *Shard, now int64) {
	c.progress.Add(-1)
	s.times.Add(now)
	s.begun.Add(^uint64(0))
}

// Counted returns how many requests began and ended.
func (c *Counter) Counted() (begun, ended int) {
	for i := range c.shards {
		s := &c.shards[i]
		begun += int(s.begun.Load())
		for j := range s.slots {
			ended += int(s.slots[j].Load())
		}
	}
	return begun, ended
}

// record records all boundaries up to now. mu is held.
func (c *Counter) record(now int64) bool {
	boundary := now / int64(time.Second)
	if boundary <= c.last {
		return false
	}
	// Nothing has happened since the first of these boundaries. Boundaries older than the
	// history need not be written.
	first := max(c.last+1, boundary-int64(len(c.history))+1)
	var t totals
	var times int64
	for i := range c.shards {
		s := &c.shards[i]
		t.begun += s.begun.Load()
		times += s.times.Load()
		t.served += s.served.Load()
		for j := range s.waits {
			t.waits[j] += s.waits[j].Load()
		}
		for j := range s.slots {
			t.slots[j] += s.slots[j].Load()
		}
	}
	if t.begun > 0 && c.first == 0 {
		c.first = c.last + 1
	}
	ended := uint32(0)
	for _, n := range t.slots {
		ended += n
	}
	// Requests in progress, whose number fits into 32 bits, have run from their beginnings
	// to the boundary.
	running := int64(uint32(t.begun) - ended)
	inProgress := c.progress.Load()
	t.peak = uint32(max(c.peak.Swap(inProgress), 0))
	for at := first; at <= boundary; at++ {
		t.busy = running*at*int64(time.Second) + times
		*c.history[at%int64(len(c.history))] = t
		t.peak = uint32(max(inProgress, 0))
	}
	c.last = boundary
	c.next.Store((boundary + 1) * int64(time.Second))
	return true
}
