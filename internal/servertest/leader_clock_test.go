package servertest

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// TestLeaderClock sets the server's clock, with everything else at its worst.
func TestLeaderClock(t *testing.T) {
	server := servers.PostgresClocked(t)
	db := openDB(t, "pgx", server.URL)
	var before, after time.Time
	for _, at := range []*time.Time{&before, &after} {
		if err := db.QueryRow("SELECT clock_timestamp()").Scan(at); err != nil {
			t.Fatal(err)
		}
		server.Step(-time.Hour)
	}
	if !after.Before(before.Add(-59 * time.Minute)) {
		t.Fatalf("the server's clock was not set: %v, then %v", before, after)
	}
	autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: leaderTTL + leaderRenew}, func(t *testing.T) autoscaletest.Contest {
		o := shortLease(t)
		proxies := map[string]*proxy{}
		return autoscaletest.Contest{
			New: func(holder string) autoscale.Elector {
				o := o
				o.Holder = holder
				p := newProxy(t, addr(t, server.URL))
				proxies[holder] = p
				return leader.SQL(openDB(t, "pgx", via(t, server.URL, p.Addr)), &o)
			},
			Cut:  func(holder string, cut bool) { proxies[holder].Hang(cut) },
			Step: server.Step,
		}
	})
}

// TestLeaderCrash crashes the server and starts it again: the table is one that
// survives, so that the term goes on from where it was.
func TestLeaderCrash(t *testing.T) {
	server := servers.PostgresClocked(t)
	o := shortLease(t)
	first, second := leader.SQL(openDB(t, "pgx", server.URL), &o), leader.SQL(openDB(t, "pgx", server.URL), &o)
	campaign(t, first)
	campaign(t, second)
	newest := func() int64 { return max(number(first), number(second)) }
	for range 3 {
		await(t, "one leads", func() bool { return newest() > 0 })
		was := newest()
		leading := first
		if number(second) > 0 {
			leading = second
		}
		state := time.Now().String()
		await(t, "the state is saved", func() bool {
			return leading.Save(t.Context(), number(leading), []byte(state)) == nil || newest() != was
		})
		server.Crash()
		await(t, "nobody leads", func() bool { return newest() == 0 })
		server.Start()
		await(t, "one leads again", func() bool { return newest() > 0 })
		if now := newest(); now != 0 && now < was {
			t.Errorf("term %d after %d", now, was)
		}
		// A follower reads the row when it next campaigns, so that its view of the
		// state may be one renewal old.
		await(t, "the saved state is read again", func() bool {
			r, _ := first.Record()
			return string(r.State) == state || newest() != was
		})
	}
}
