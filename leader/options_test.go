package leader_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
)

type badLease struct{ leader.Lease }

func (badLease) Validate() error { return errors.New("the lease is bad") }

func TestValidate(t *testing.T) {
	link := &fakeLink{fakeStore: newFakeStore()}
	for name, tc := range map[string]struct {
		e    *leader.Elector
		want []string
	}{
		"defaults":       {leader.New(link, nil), nil},
		"short":          {leader.New(link, &leader.Options{TTL: time.Second}), nil},
		"exactly enough": {leader.New(link, &leader.Options{TTL: 25 * time.Second, Renew: 10 * time.Second, Margin: 5 * time.Second}), nil},
		"nil":            {nil, []string{"was not made"}},
		"zero":           {new(leader.Elector), []string{"was not made"}},
		"no lease":       {leader.New(nil, nil), []string{"Lease is nil"}},
		"bad lease":      {leader.New(badLease{}, nil), []string{"the lease is bad"}},
		"wrapped lease":  {leader.New(struct{ leader.Lease }{badLease{}}, nil), []string{"the lease is bad"}},
		"no database":    {leader.SQL(nil, nil), []string{"*sql.DB is nil"}},
		"dialect":        {leader.SQL(new(sql.DB), &leader.Options{Dialect: "mysql"}), []string{`Dialect is "mysql"`, `"postgres" or "sqlite"`}},
		"TTL":            {leader.New(link, &leader.Options{TTL: -time.Second}), []string{"TTL is -1s", "300ms or more"}},
		"tiny TTL":       {leader.New(link, &leader.Options{TTL: time.Millisecond}), []string{"TTL is 1ms"}},
		"huge TTL":       {leader.New(link, &leader.Options{TTL: 1<<63 - 1}), []string{"TTL is"}},
		"Renew":          {leader.New(link, &leader.Options{Renew: 20 * time.Second}), []string{"TTL is 30s", "twice Renew, 20s"}},
		"huge Renew":     {leader.New(link, &leader.Options{Renew: 1<<63 - 1}), []string{"shorter than twice Renew"}},
		"negative":       {leader.New(link, &leader.Options{Renew: -1, Margin: -2}), []string{"Renew is -1ns and Margin -2ns"}},
		"names":          {leader.New(link, &leader.Options{Name: "a\nb", Holder: strings.Repeat("x", 201)}), []string{`Name is "a\nb"`, "Holder is"}},
		"all at once":    {leader.SQL(nil, &leader.Options{Name: "\x00", TTL: 1, Dialect: "x"}), []string{"Name", "TTL", "Dialect", "*sql.DB"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.e.Validate()
			if (err != nil) != (tc.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if err == nil {
				return
			}
			if tc.e.Run(t.Context()) == nil || tc.e.Save(t.Context(), 1, nil) == nil || tc.e.Command(t.Context(), nil) == nil {
				t.Error("a call of what is not valid returned nil")
			}
		})
	}
}

func TestStaticAndDyno(t *testing.T) {
	for name, tc := range map[string]struct {
		dyno  string
		leads bool
		want  string
	}{
		"first": {"web.1", true, ""}, "second": {"web.2", false, ""}, "eleventh": {"web.11", false, ""}, "worker": {"main_worker.1", true, ""},
		"none": {"", false, "$DYNO is empty"}, "Fir": {"web-12a34b56d-e78f9", false, "no number"}, "odd": {"web.01", false, "no number"}, "space": {"web.1 ", false, "no number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DYNO", tc.dyno)
			e := leader.Dyno()
			err := e.(interface{ Validate() error }).Validate()
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Validate: %v", err)
			}
			if term, leads := e.Current(); leads != tc.leads || leads && (term.Holder != tc.dyno || term.Number != 1 || !term.Until.IsZero()) {
				t.Errorf("it leads: %v, %+v", leads, term)
			}
			testRun(t, e, err)
		})
	}
	for _, leads := range []bool{true, false} {
		e := leader.Static(leads)
		if _, got := e.Current(); got != leads {
			t.Errorf("Static(%v) leads: %v", leads, got)
		}
		testRun(t, e, nil)
	}
}

func TestIndex(t *testing.T) {
	for name, tc := range map[string]struct {
		value string
		first int
		leads bool
		want  string
	}{
		"first": {"0", 0, true, ""}, "second": {"1", 0, false, ""}, "from one": {"1", 1, true, ""}, "eleventh": {"10", 0, false, ""},
		"none": {"", 0, false, "$CF_INSTANCE_INDEX is empty"}, "a name": {"web.1", 0, false, "not a number"}, "negative": {"-1", 0, false, "not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CF_INSTANCE_INDEX", tc.value)
			e := leader.Index("CF_INSTANCE_INDEX", tc.first)
			err := e.(interface{ Validate() error }).Validate()
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Validate: %v", err)
			}
			if term, leads := e.Current(); leads != tc.leads || leads && (term.Holder == "" || term.Number != 1) {
				t.Errorf("it leads: %v, %+v", leads, term)
			}
			testRun(t, e, err)
		})
	}
}

// testRun runs until its context ends, unless want is an error.
func testRun(t *testing.T, e autoscale.Elector, want error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if err := e.Run(ctx); err != want || want == nil && time.Since(start) != time.Hour {
			t.Errorf("Run returned %v after %v", err, time.Since(start))
		}
	})
}

// A database's own words may hold what must not be told.
func TestErrorsHoldNoSecret(t *testing.T) {
	for _, words := range []string{
		`parse "postgres://owner:Hunter2@db.example:5432/shop": invalid port`,
		`parse "postgres://owner:a/b@Hunter2@db.example:5432/shop": invalid port`,
		`cannot parse host=db user=owner password=Hunter2 sslmode=disable`,
		`cannot parse password='Hunter2 and more', token: "Hunter2"`,
	} {
		db := sql.OpenDB(failing{errors.New(words)})
		defer db.Close()
		err := leader.CreateTable(t.Context(), db)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "Hunter2") {
			t.Errorf("got %#v", err)
		}
		e := leader.SQL(db, nil)
		if s := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(s, "Hunter2") {
			t.Errorf("an Elector prints %s", s)
		}
	}
}

func TestSchema(t *testing.T) {
	for _, d := range []leader.Dialect{leader.Postgres, leader.SQLite} {
		if !strings.HasPrefix(d.Schema(), "CREATE TABLE IF NOT EXISTS autoscale_lease") {
			t.Errorf("%s: %q", d, d.Schema())
		}
	}
	if s := leader.Dialect("oracle").Schema(); s != "" {
		t.Errorf("got %q", s)
	}
}

// An Elector keeps a copy of the options that it was made with.
func TestOptionsAreCopied(t *testing.T) {
	o := leader.Options{Holder: "web.1"}
	e := leader.New(&fakeLink{fakeStore: newFakeStore()}, &o)
	o.TTL = -1
	o.Holder = "web.2"
	if err := e.Validate(); err != nil || !strings.HasPrefix(e.Holder(), "web.1/") {
		t.Errorf("%v, holder %s", err, e.Holder())
	}
}
