package servertest

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// BenchmarkLeaderFollowers measures what a leader and a hundred followers, with
// the default TTL and four of them to a pool, take of a PostgreSQL: the processor time of
// the server's processes in a minute, as a share of one processor. Run it with
// -bench=Followers -benchtime=1x.
func BenchmarkLeaderFollowers(b *testing.B) {
	if os.Getenv(servers.EnvPostgres) != "" {
		b.Skip("the processes of a server that others use cannot be distinguished from theirs")
	}
	postgres := servers.Postgres(b)
	admin := openDB(b, "pgx", postgres)
	if err := leader.CreateTable(b.Context(), admin); err != nil {
		b.Fatal(err)
	}
	for _, mode := range []string{"", "&" + execMode} {
		b.Run("mode="+strings.TrimPrefix(mode, "&default_query_exec_mode="), func(b *testing.B) {
			o := leaseOptions(b)
			o.TTL, o.Renew = 0, 0 // the default
			electors := make([]*leader.Elector, 101)
			var db *sql.DB
			for i := range electors {
				if i%4 == 0 { // PostgreSQL's default is a hundred connections
					db = openDB(b, "pgx", postgres+mode)
					db.SetMaxOpenConns(2)
				}
				electors[i] = leader.SQL(db, &o)
				campaign(b, electors[i])
				if i == 0 {
					await(b, "it leads", leads(electors[0]))
				}
			}
			await(b, "all have read", func() bool {
				for _, e := range electors {
					if r, ok := e.Record(); !ok || r.Term == 0 {
						return false
					}
				}
				return true
			})
			if err := electors[0].Save(b.Context(), number(electors[0]), make([]byte, 16<<10)); err != nil {
				b.Fatal(err)
			}
			time.Sleep(15 * time.Second) // until what begins is over
			var pid int
			if err := admin.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
				b.Fatal(err)
			}
			main := parent(pid)
			for b.Loop() {
				calls := transactions(b, postgres)
				before := family(b, main)
				start := time.Now()
				for tick := range 2 { // a leader saves twice a minute
					if err := electors[0].Save(b.Context(), number(electors[0]), fmt.Appendf(make([]byte, 16<<10), "%d", tick)); err != nil {
						b.Fatal(err)
					}
					time.Sleep(30 * time.Second)
				}
				used := family(b, main) - before
				b.ReportMetric(100*used.Seconds()/time.Since(start).Seconds(), "%cpu")
				b.ReportMetric(float64(transactions(b, postgres)-calls)/time.Since(start).Seconds(), "transactions/s")
			}
		})
	}
}

// transactions returns how many the server has done.
func transactions(b *testing.B, dsn string) (n int64) {
	db := openDB(b, "pgx", dsn)
	if err := db.QueryRow("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// parent returns the process that started another.
func parent(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	_, rest, _ = strings.Cut(rest, " ") // its state
	first, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(first)
	return n
}

// family returns the processor time of a process and its children. It is read from
// schedstat, as stat counts in steps of 10 ms, to which few of the children get.
func family(b *testing.B, pid int) (sum time.Duration) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		b.Skip("there is no /proc: ", err)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n != pid && parent(n) != pid {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", n))
		if err != nil {
			b.Skip("the processor time of a process is not known: ", err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}
