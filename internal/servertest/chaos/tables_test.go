//go:build linux

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

// start starts a process, when nobody keeps processes from starting.
func (x *trial) start(p *process) error {
	x.starts.RLock()
	defer x.starts.RUnlock()
	return p.start()
}

// supervise starts a process again whose elector failed for good, as whoever reads its
// log would.
func (x *trial) supervise(p *process) {
	if !x.hasGivenUp(p) {
		return
	}
	p.life.Lock()
	defer p.life.Unlock()
	if x.hasGivenUp(p) { // still: nobody has started another
		x.check(p.end(syscall.SIGKILL, 10*time.Second))
		x.check(x.start(p))
	}
}

func (x *trial) hasGivenUp(p *process) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gaveUp[p.host()]
}

// tables returns the database, or nil if the lease is elsewhere and nothing is to be done to a
// table.
func (x *trial) tables() *database {
	d, ok := x.db.(*database)
	if !ok {
		x.count("(not done, as there is no table)")
	}
	return d
}

// without keeps the hosts from using the table of d for a while.
func (x *trial) without(ctx context.Context, d *database, long time.Duration, lost bool, take, giveBack []string) {
	x.mu.Lock()
	i := len(x.aways)
	x.aways = append(x.aways, away{from: x.clock.Now(), lost: lost})
	x.mu.Unlock()
	x.check(d.do(x.t.Context(), take...))
	pause(ctx, long)
	x.check(d.do(x.t.Context(), giveBack...))
	x.mu.Lock()
	x.aways[i].until = x.clock.Now()
	x.mu.Unlock()
}

// revoke takes rights from the hosts' role.
func revoke(x *trial, r *rand.Rand) func(context.Context) {
	rights := []string{"SELECT, INSERT, UPDATE", "UPDATE", "INSERT", "SELECT"}[r.IntN(4)]
	long := between(r, ttl/4, 3*ttl)
	return func(ctx context.Context) {
		d := x.tables()
		if d == nil {
			return
		}
		x.dbLife.Lock()
		defer x.dbLife.Unlock()
		x.without(ctx, d, long, false,
			[]string{"REVOKE " + rights + " ON autoscale_lease FROM host"},
			[]string{"GRANT " + rights + " ON autoscale_lease TO host"})
	}
}

// rename takes the table away, and gives it back as it was.
func rename(x *trial, r *rand.Rand) func(context.Context) {
	long := between(r, ttl/4, 3*ttl)
	return func(ctx context.Context) {
		d := x.tables()
		if d == nil {
			return
		}
		x.dbLife.Lock()
		defer x.dbLife.Unlock()
		x.without(ctx, d, long, false,
			[]string{mayNotCreate, "ALTER TABLE autoscale_lease RENAME TO autoscale_lease_away"},
			[]string{"ALTER TABLE autoscale_lease_away RENAME TO autoscale_lease", mayCreate})
	}
}

// drop drops the table with what is in it. The hosts make another one, or somebody does
// for them. A process that does not know the last term would not wait until the last
// leader trusts itself no more: all know it, and none is started meanwhile.
func drop(x *trial, r *rand.Rand) func(context.Context) {
	long, theirs := between(r, ttl/4, 2*ttl), r.IntN(2) == 0
	return func(ctx context.Context) {
		d := x.tables()
		if d == nil {
			return
		}
		x.starts.Lock()
		defer x.starts.Unlock()
		x.dbLife.Lock()
		defer x.dbLife.Unlock()
		for end := time.Now().Add(3 * ttl); !x.allKnow(); pause(ctx, 10*time.Millisecond) {
			if time.Now().After(end) {
				x.count("(not dropped, as one did not know it)")
				return
			}
		}
		// The hosts make it at once if they may.
		take, give := []string{"DROP TABLE autoscale_lease"}, []string(nil)
		if !theirs {
			take = []string{mayNotCreate, "DROP TABLE autoscale_lease"}
			give = []string{leader.Postgres.Schema(), "GRANT SELECT, INSERT, UPDATE ON autoscale_lease TO host", mayCreate}
		}
		x.without(ctx, d, long, true, take, give)
		for end := x.clock.Now() + int64(slack); ; pause(ctx, 10*time.Millisecond) {
			if l, ok := x.holder(); ok && d.leads(x.t.Context(), l.Term) || x.clock.Now() > end {
				return // what is not right then, the end of the round finds
			}
		}
	}
}

// allKnow reports whether somebody leads, and each process that runs has read in which term.
func (x *trial) allKnow() bool {
	l, ok := x.holder()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.procs {
		ok = ok && x.knows[p.host()] == l.Term
	}
	return ok
}

// leads reports whether the table has a term.
func (d *database) leads(ctx context.Context, term int64) bool {
	return d.do(ctx, fmt.Sprintf("SELECT 1 / count(*) FROM autoscale_lease WHERE term = %d", term)) == nil
}
