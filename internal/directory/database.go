package directory

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"milepost/internal/config"
)

func openDatabaseLogins(d config.Directory) (asker, error) {
	query, err := loginQuery(d)
	if err != nil {
		return nil, err
	}
	db, secrets, err := openDatabase(d.Kind, d.DSN)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(max(d.Connections, 1))
	db.SetMaxIdleConns(max(d.Connections, 1))
	if d.Kind == config.SQLite {
		db.SetConnMaxLifetime(time.Minute) // another file may have been put in its place
	}
	shared := &databaseLogins{kind: d.Kind, db: db, query: query}
	b := newBatcher(d.Connections, d.Budget, secrets, func() session { return shared })
	b.end = func() { db.Close() }
	return b, nil
}

// batchSizes are about how many addresses there are queries, the largest first.
var batchSizes = [...]int{16, 4, 1}

// databaseLogins asks a database whose protocol has room for one query at a time on each
// connection, and no arrays: MariaDB, MySQL and SQLite. All sessions share it.
type databaseLogins struct {
	kind  config.Kind
	db    *sql.DB
	query statement

	mu       sync.Mutex
	prepared [len(batchSizes)]*sql.Stmt
}

func (l *databaseLogins) close() {}

// ask is that of session.
func (l *databaseLogins) ask(ctx context.Context, batch []*question) error {
	for i, size := range batchSizes {
		for len(batch) >= size {
			if err := l.askSome(ctx, i, batch[:size]); err != nil {
				return err
			}
			batch = batch[size:]
		}
	}
	return nil
}

// statement is the query for as many addresses as a size says, prepared: on each
// connection when that is first used, which [sql.Stmt] sees to.
func (l *databaseLogins) statement(ctx context.Context, size int) (*sql.Stmt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prepared[size] == nil {
		stmt, err := l.db.PrepareContext(ctx, l.text(batchSizes[size]))
		if err != nil {
			return nil, err
		}
		l.prepared[size] = stmt
	}
	return l.prepared[size], nil
}

// text is the query for so many addresses. Each of them takes the same way through it,
// whether it is there or not, and has a row in any case.
func (l *databaseLogins) text(addresses int) string {
	parts := make([]string, addresses)
	for n := range parts {
		query := l.query.withMarks(l.kind, func(i int) string {
			if l.kind == config.MySQL { // which has one for each place
				return "?"
			}
			// Where ANALYZE has left samples (STAT4), SQLite plans anew for each value that is
			// compared with a column; for one out of a query it does not.
			return fmt.Sprintf("(SELECT ?%d)", n*len(l.query.order)+i+1)
		})
		parts[n] = fmt.Sprintf("SELECT %d AS milepost_n, q.* FROM (SELECT 1 AS always) AS one LEFT JOIN (%s\n) AS q ON 1 = 1 LIMIT 2", n, query)
		switch {
		case addresses == 1:
		case l.kind == config.MySQL:
			parts[n] = "(" + parts[n] + ")"
		default: // SQLite has LIMIT in no part of a UNION
			parts[n] = "SELECT * FROM (" + parts[n] + ")"
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

func (l *databaseLogins) askSome(ctx context.Context, size int, batch []*question) error {
	stmt, err := l.statement(ctx, size)
	if err != nil {
		return err
	}
	args := make([]any, 0, len(batch)*len(l.query.order))
	for _, q := range batch {
		for _, n := range l.query.order {
			args = append(args, q.values[n])
		}
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	columns := parseLoginColumns(names[1:])
	row, to := make([][]byte, len(names)), make([]any, len(names))
	for i := range row {
		to[i] = (*sql.RawBytes)(&row[i])
	}
	found := make([][]Login, len(batch))
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if n, err := strconv.Atoi(string(row[0])); err == nil && 0 <= n && n < len(batch) {
			found[n] = columns.append(found[n], row[1:])
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i, q := range batch {
		q.found = found[i]
	}
	return nil
}
