package leader

import (
	"errors"
	"strings"
)

// A fault is what is wrong with a database, as far as that matters here.
type fault int

const (
	faultNone     fault = iota // or one that may pass
	faultMissing               // there is no table
	faultRace                  // somebody else makes the table, or what has its name
	faultDenied                // the role lacks a right
	faultShape                 // the table, or the database, is not as it must be
	faultReadOnly              // the server takes no writes
	faultPrepared              // a prepared statement was lost or found twice
	faultLocked                // somebody else writes, and the driver does not wait for it
)

// fault reports what err says about the database. Drivers have error types of
// their own; all those for PostgreSQL have a method SQLState, and those for SQLite
// repeat the library's words.
func (l *sqlLease) fault(err error) fault {
	if err == nil {
		return faultNone
	}
	var scan *scanError
	if errors.As(err, &scan) && scan != nil {
		return faultShape
	}
	var e interface{ SQLState() string }
	switch {
	case errors.As(err, &e):
		return postgresFault(e.SQLState())
	case l.dialect == SQLite, l.dialect == "" && strings.Contains(err.Error(), locked):
		return sqliteFault(err.Error())
	}
	return faultNone
}

func postgresFault(code string) fault {
	switch code {
	case "42P01": // undefined_table
		return faultMissing
	case "42P07", "42710", "23505": // duplicate_table, duplicate_object (its row type), unique_violation (in the catalogue)
		return faultRace
	case "42501", "3F000": // insufficient_privilege, invalid_schema_name (there is none that may be used)
		return faultDenied
	case "25006": // read_only_sql_transaction
		return faultReadOnly
	case "26000", "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		return faultPrepared
	}
	switch {
	case len(code) != 5:
		return faultNone
	case code[:2] == "42", code[:2] == "22", code[:2] == "23": // syntax and names, data, constraints
		return faultShape
	}
	return faultNone
}

// locked is what SQLite says if another connection writes. It says so before it says which SQL
// it speaks.
const locked = "database is locked"

func sqliteFault(text string) fault {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no such table"):
		return faultMissing
	case has("readonly database"):
		return faultReadOnly
	case has(locked):
		return faultLocked
	case has("no such column", "has no column", "ON CONFLICT clause does not match", "constraint failed", "datatype mismatch", "syntax error", "cannot modify", "may not be modified"):
		return faultShape
	}
	return faultNone
}

// A scanError is a row that cannot be read.
type scanError struct{ err error }

func (e *scanError) Error() string { return e.err.Error() }
func (e *scanError) Unwrap() error { return e.err }
