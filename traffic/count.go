package traffic

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A shard is a part of what was counted since the beginning. Requests on
// different processors mostly count in different ones, so that they do not wait
// for each other's memory. Nothing in it is ever reset: a window is the difference
// between two moments. All arithmetic wraps around, which differences do not mind.
type shard struct {
	begun  atomic.Uint64 // requests, and in the upper half those with a queue time
	times  atomic.Int64  // the moments at which requests ended, less those at which they began, in ns
	served atomic.Int64  // time in the handler, of those in slots but the last, in ns
	waited atomic.Int64  // queue times, in ns
	slots  [slots + 1]atomic.Uint32
	_      [128 - (4*8+(slots+1)*4)%128]byte // the next shard's are on other cache lines
}

// totals are the sums over all shards at one moment.
type totals struct {
	begun  uint64 // as in a shard
	busy   int64  // integral of the requests in progress over time, in ns
	served int64
	waited int64
	slots  [slots + 1]uint32 // the last: longer than Options.Longest
}

// counter counts events, by the second in which they happened.
//
// The first event of a second, or the first look at it, records the totals as they
// were when it began, and all others of that second wait until this is done, for
// about a microsecond. What happened before a boundary is therefore counted before
// it; except that what was just being counted when the totals were taken is
// counted in the next second, with its true times.
type counter struct {
	base   time.Time // when it began; since then, moments are nanoseconds
	shards []shard
	pool   sync.Pool     // of *shard: one for each processor that the runtime uses
	turn   atomic.Uint32 // of the shards, to be put into the pool
	next   atomic.Int64  // when the second under way ends
	epoch  atomic.Int64  // base by the wall clock, in ns since 1970, as of the last boundary

	mu      sync.Mutex
	last    int64     // the last boundary that was recorded, in seconds
	history []*totals // at boundary i, at index i modulo its length
}

// maxShards keeps the whole below 64 KiB.
const maxShards = 16

// start begins to count, with a history of the given number of seconds.
func (c *counter) start(seconds int) {
	c.base = time.Now()
	c.shards = make([]shard, min(2*runtime.GOMAXPROCS(0), maxShards))
	c.pool.New = func() any { return &c.shards[c.turn.Add(1)%uint32(len(c.shards))] }
	c.epoch.Store(c.base.UnixNano())
	c.next.Store(int64(time.Second))
	c.history = make([]*totals, seconds+1)
	for i := range c.history {
		c.history[i] = new(totals) // one large block would be rounded up by kilobytes
	}
}

// begin counts a request that begins, whose header X-Request-Start has the given
// values, and returns where and when.
func (c *counter) begin(start []string) (*shard, int64) {
	// The pool hands out the shard of this processor. Another goroutine may have
	// it at the same time: it is only for the speed that few do.
	s := c.pool.Get().(*shard)
	c.pool.Put(s)
	now := c.now()
	one := uint64(1)
	if len(start) > 0 {
		// Asking for the wall clock would take as long as all the rest.
		if waited, ok := queueTime(start[0], c.epoch.Load()+now); ok {
			one |= 1 << 32
			s.waited.Add(int64(waited))
		}
	}
	s.begun.Add(one)
	s.times.Add(-now)
	return s, now
}

// end counts the end of a request.
func (c *counter) end(s *shard, began int64, longest time.Duration) {
	now := c.now()
	s.times.Add(now)
	slot := slots
	if took := time.Duration(now - began); took <= longest {
		s.served.Add(int64(took))
		slot = slotOf(took)
	}
	s.slots[slot].Add(1)
}

// now returns the moment, in a second whose beginning has been recorded.
func (c *counter) now() int64 {
	now := int64(time.Since(c.base))
	if now >= c.next.Load() {
		c.mu.Lock()
		c.record(now)
		c.mu.Unlock()
	}
	return now
}

// record records all boundaries up to now. mu is held.
func (c *counter) record(now int64) {
	boundary := now / int64(time.Second)
	if boundary <= c.last {
		return
	}
	// Nothing has happened since the first of these boundaries. What is older
	// than the history need not be written.
	first := max(c.last+1, boundary-int64(len(c.history))+1)
	var t totals
	var times int64
	for i := range c.shards {
		s := &c.shards[i]
		t.begun += s.begun.Load()
		times += s.times.Load()
		t.served += s.served.Load()
		t.waited += s.waited.Load()
		for j := range s.slots {
			t.slots[j] += s.slots[j].Load()
		}
	}
	ended := uint32(0)
	for _, n := range t.slots {
		ended += n
	}
	// What is in progress, which fits into 32 bits, has run for as long as the
	// boundary is after its beginning.
	running := int64(uint32(t.begun) - ended)
	for at := first; at <= boundary; at++ {
		t.busy = running*at*int64(time.Second) + times
		*c.history[at%int64(len(c.history))] = t
	}
	c.last = boundary
	wall := time.Now() // which may have been set since
	c.epoch.Store(wall.UnixNano() - int64(wall.Sub(c.base)))
	c.next.Store((boundary + 1) * int64(time.Second))
}

// window returns the totals at the two ends of the window that ended with the last
// complete second, or nil if there was none yet, and how long it has counted.
func (c *counter) window(now time.Duration) (before, after *totals, since time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record(int64(now))
	size := int64(len(c.history))
	if c.last < size-1 {
		return nil, nil, now
	}
	a, b := *c.history[(c.last+1)%size], *c.history[c.last%size]
	return &a, &b, now
}
