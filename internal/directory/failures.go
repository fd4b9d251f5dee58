package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// mysqlText are the errors that a text may cause by its characters alone: it does not
// fit the character set or collation of what it is compared with.
var mysqlText = map[uint16]bool{1267: true, 1270: true, 1271: true, 1292: true, 1300: true, 1366: true, 1411: true, 1644: true, 3854: true, 3988: true}

// sqlState is what Postgres says is wrong; empty: it has said nothing.
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// aboutAddress tells whether an error is about the address that was asked about: then the
// directory works, and does not have it. In SQL that is class 22, "data exception",
// and what a function of the admin's own raises.
func aboutAddress(err error) bool {
	if code := sqlState(err); strings.HasPrefix(code, "22") || code == "P0001" {
		return true
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return mysqlText[e.Number]
	}
	return false
}

// mysqlNames are the errors whose messages name users, databases, tables, columns
// and what stands in a query alone.
var mysqlNames = map[uint16]bool{1044: true, 1045: true, 1049: true, 1054: true, 1064: true, 1142: true, 1146: true}

// withoutValues is an error without whatever a database may have written into it of a
// row or an address. What is said of the query, the tables and the connection stays.
func withoutValues(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		for _, class := range [...]string{"08", "28", "3D", "42", "53", "57"} {
			if strings.HasPrefix(e.Code, class) {
				return fmt.Errorf("the server says %s: %s", e.Code, e.Message)
			}
		}
		return fmt.Errorf("the server says SQLSTATE %s", e.Code)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if mysqlNames[e.Number] {
			return fmt.Errorf("the server says %d: %s", e.Number, e.Message)
		}
		return fmt.Errorf("the server says error %d", e.Number)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() != 1 { // 1: what is wrong with the query
		return fmt.Errorf("SQLite says error %d", e.Code())
	}
	return err
}
