package leader_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// failing is the connector of a database that cannot be reached.
type failing struct{ err error }

func (f failing) Connect(context.Context) (driver.Conn, error) { return nil, f.err }
func (f failing) Driver() driver.Driver                        { return nil }

// The database that the service has anyway elects who acts.
func ExampleOpen() {
	// Import the driver, as in _ "github.com/jackc/pgx/v5/stdlib".
	elector := leader.Open("nosuchdriver", os.Getenv("DATABASE_URL"), nil)
	fmt.Println(strings.Contains(elector.Validate().Error(), `the database driver "nosuchdriver" is not known`))
	// Output: true
}

func ExampleSQL() {
	var db *sql.DB // sql.Open("pgx", os.Getenv("DATABASE_URL"))
	cfg := autoscale.Config{
		Elector: leader.SQL(db, &leader.Options{Name: "quiet-river/web"}),
	}
	fmt.Println(cfg.Elector.Run(context.Background()))
	// Output: leader: the *sql.DB is nil: open the database and give it
}

// A TTL that leaves no time for a renewal that fails is refused.
func ExampleNew() {
	var lease leader.Lease = &fakeLink{fakeStore: newFakeStore()} // of another store
	e := leader.New(lease, &leader.Options{Name: "quiet-river/web", Renew: 15e9})
	fmt.Println(e.Validate())
	// Output: leader: TTL is 30s, shorter than twice Renew, 15s, and Margin, 5s: a renewal that fails would cost the term. Make TTL longer or Renew shorter
}

func ExampleStatic() {
	_, acts := leader.Static(os.Getenv("ROLE") == "autoscaler").Current()
	fmt.Println(acts)
	// Output: false
}

func ExampleDyno() {
	os.Setenv("DYNO", "web.1") // Heroku does
	defer os.Unsetenv("DYNO")
	term, acts := leader.Dyno().Current()
	fmt.Println(term.Holder, acts)
	// Output: web.1 true
}

func ExampleIndex() {
	os.Setenv("CF_INSTANCE_INDEX", "0") // Cloud Foundry does
	defer os.Unsetenv("CF_INSTANCE_INDEX")
	_, acts := leader.Index("CF_INSTANCE_INDEX", 0).Current()
	fmt.Println(acts)
	// Output: true
}

// The table for a migration.
func ExampleDialect_Schema() {
	first, _, _ := strings.Cut(leader.Postgres.Schema(), "\n")
	fmt.Println(first)
	// Output: CREATE TABLE IF NOT EXISTS autoscale_lease (
}

func ExampleCreateTable() {
	db := sql.OpenDB(failing{fmt.Errorf("dial tcp: connection refused")})
	defer db.Close()
	fmt.Println(leader.CreateTable(context.Background(), db))
	// Output: dial tcp: connection refused
}

func ExamplePermanent() {
	fmt.Println(leader.Permanent(fmt.Errorf("the bucket leases is missing: create it")))
	// Output: the bucket leases is missing: create it
}

// What the processes measured, for the one that leads.
func ExampleMetricsBoard() {
	var db *sql.DB // sql.Open("pgx", os.Getenv("DATABASE_URL"))
	shared := &traffic.Shared{
		Traffic:      traffic.New(nil),
		MetricsBoard: leader.MetricsBoard(db, &leader.Options{Name: "quiet-river/web"}),
	}
	fmt.Println(shared.Validate())
	// Output: leader: the *sql.DB is nil: open the database and give it
}

// The table of the board for a migration.
func ExampleDialect_MetricsBoardSchema() {
	first, _, _ := strings.Cut(leader.SQLite.MetricsBoardSchema(), "\n")
	fmt.Println(first)
	// Output: CREATE TABLE IF NOT EXISTS autoscale_report (
}
