package servertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
)

// No fault of the database that passes ends Run once the store has answered, whichever way
// the elector reaches it.
func TestNoTransientFaultOfADatabaseEndsRun(t *testing.T) {
	postgres := servers.Postgres(t)
	admin := openDB(t, "pgx", postgres)
	role := fmt.Sprintf("lease_role_%d", leases.Add(1))
	must(t, admin, "DROP ROLE IF EXISTS "+role, "CREATE ROLE "+role)
	t.Cleanup(func() { must(t, admin, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	grant := "GRANT SELECT, INSERT, UPDATE ON autoscale_lease TO " + role
	for name, fault := range map[string]struct{ begin, end string }{
		"all rights":        {"REVOKE ALL ON autoscale_lease FROM " + role, grant},
		"the right to read": {"REVOKE SELECT ON autoscale_lease FROM " + role, grant},
		"the schema":        {"REVOKE USAGE ON SCHEMA $SCHEMA FROM " + role, "GRANT USAGE ON SCHEMA $SCHEMA TO " + role},
		"the table's name":  {"ALTER TABLE autoscale_lease RENAME TO lease_away", "ALTER TABLE lease_away RENAME TO autoscale_lease"},
		"a column's name":   {"ALTER TABLE autoscale_lease RENAME COLUMN term TO term_away", "ALTER TABLE autoscale_lease RENAME COLUMN term_away TO term"},
		"a new column":      {"ALTER TABLE autoscale_lease ADD COLUMN team text; ALTER TABLE autoscale_lease ADD CONSTRAINT team CHECK (team IS NOT NULL) NOT VALID", "ALTER TABLE autoscale_lease DROP COLUMN team"},
		"the row":           {"DELETE FROM autoscale_lease", "SELECT 1"},
		"a read-only role":  {"ALTER TABLE autoscale_lease RENAME TO lease_away; CREATE VIEW autoscale_lease AS SELECT * FROM lease_away WHERE false UNION ALL SELECT * FROM lease_away WHERE false; GRANT SELECT ON autoscale_lease TO " + role, "DROP VIEW autoscale_lease; ALTER TABLE lease_away RENAME TO autoscale_lease"},
	} {
		t.Run(name, func(t *testing.T) {
			url, owner := schema(t, postgres, role)
			var current string
			if err := owner.QueryRow("SELECT current_schema()").Scan(&current); err != nil {
				t.Fatal(err)
			}
			in := func(s string) []string {
				return strings.Split(strings.ReplaceAll(s, "$SCHEMA", current), ";")
			}
			must(t, owner, "GRANT USAGE ON SCHEMA "+current+" TO "+role, leader.Postgres.Schema(), grant)
			for door, e := range map[string]*leader.Elector{
				"leader.SQL":  leader.SQL(openDB(t, "pgx", url+"&"+execMode), ownLease(t)),
				"leader.Open": leader.Open("pgx", url+"&"+execMode, ownLease(t)),
			} {
				done := campaigning(t, e)
				await(t, door+" leads", leads(e))
				must(t, owner, in(fault.begin)...)
				for range 3 {
					_ = e.Command(t.Context(), []byte("pause")) // fails at once, or works
					_ = e.Save(t.Context(), number(e), []byte("state"))
					_ = e.Refresh(t.Context())
				}
				e.Resign(0) // so that it asks for the lease at once
				for range 20 {
					_ = e.Refresh(t.Context())
				}
				must(t, owner, in(fault.end)...)
				await(t, door+" leads again", leads(e))
				select {
				case err := <-done:
					t.Errorf("%s: Run ended: %v", door, err)
				default:
				}
			}
		})
	}
}
