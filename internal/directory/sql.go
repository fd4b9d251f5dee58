package directory

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"milepost/internal/config"
)

const (
	connectTimeout  = 5 * time.Second
	maxProviderFile = 1 << 20 // octets
)

// sqlReader reads a database over one connection, in transactions that only read.
type sqlReader struct {
	kind    config.Kind
	db      *sql.DB
	secrets secrets
	// domains, changed, latest and counted are the queries; no text: there is none.
	domains, changed, latest, counted statement
	plain                             *sqlQueries // in their place, if a column is missing; nil: it is known which to ask

	// What the last two said last, and when it was counted and how long that took.
	lastChange, lastCount string
	countedAt             time.Time
	counting              time.Duration

	channel string          // to listen on; empty: none
	pgx     *pgx.ConnConfig // for it
	texts   string          // the query of provider files; empty: there are none

	// A SQLite file's own counter of changes means something within one connection.
	file       string
	info       os.FileInfo
	connection any
	generation int
}

func openSQL(s config.Source) (reader, error) {
	q := sqlQueries{domains: s.Domains, since: s.ChangedSince, version: s.Version}
	if s.Preset != "" {
		var err error
		if q, err = sqlPreset(s.Preset, s.Kind); err != nil {
			return nil, err
		}
	}
	r := &sqlReader{kind: s.Kind, channel: s.Listen, texts: q.files, plain: q.plain}
	if r.channel == "" {
		r.channel = q.channel
	}
	if err := r.use(q); err != nil {
		return nil, err
	}
	var err error
	if r.db, r.secrets, err = openDatabase(s.Kind, s.DSN); err != nil {
		return nil, err
	}
	r.db.SetMaxOpenConns(1)
	switch s.Kind {
	case config.SQLite:
		r.file = sqliteFile(s.DSN)
	case config.Postgres:
		if r.channel != "" {
			r.pgx, _ = pgx.ParseConfig(s.DSN) // openDatabase has done so already
			return sqlListener{r}, nil
		}
	}
	return r, nil
}

// use makes these the queries.
func (r *sqlReader) use(q sqlQueries) (err error) {
	for _, part := range []struct {
		key, query string
		arguments  int
		to         *statement
	}{{"domains", q.domains, 0, &r.domains}, {"changed_since", q.since, 1, &r.changed}, {"version", q.version, 0, &r.counted}, {"", q.latest, 0, &r.latest}} {
		*part.to = statement{}
		if part.query == "" {
			continue
		}
		if *part.to, err = parseStatement(r.kind, part.query, part.arguments); err != nil {
			return fmt.Errorf("%s: %w", part.key, err)
		}
	}
	return nil
}

// choose finds out whether the tables have all columns that a preset would like to have.
func (r *sqlReader) choose(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SELECT * FROM ("+r.domains.text+") AS q LIMIT 0")
	switch {
	case err == nil:
		err = rows.Close()
	case lacksColumn(err):
		err = r.use(*r.plain)
	}
	if err == nil {
		r.plain = nil
	}
	return err
}

// lacksColumn tells whether a query names a column that is not there.
func lacksColumn(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "42703" // undefined_column
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number == 1054 // ER_BAD_FIELD_ERROR
	}
	return err != nil && strings.Contains(err.Error(), "no such column") // SQLite has one code for all that it cannot parse
}

// openDatabase prepares connections to a database; none is made yet. The errors, and
// those that secrets have been taken out of, hold no password.
func openDatabase(kind config.Kind, dsn string) (*sql.DB, secrets, error) {
	switch kind {
	case config.Postgres:
		c, err := pgx.ParseConfig(dsn)
		if err != nil { // what the library says may hold the password
			return nil, nil, errors.New(`dsn: is not understood; "postgres://USER:PASSWORD@HOST/DATABASE" and "host=HOST user=USER password=PASSWORD dbname=DATABASE", say, are allowed`)
		}
		if c.ConnectTimeout == 0 {
			c.ConnectTimeout = connectTimeout
		}
		if c.RuntimeParams["application_name"] == "" {
			c.RuntimeParams["application_name"] = "milepost"
		}
		return stdlib.OpenDB(*c), newSecrets(dsn, c.Password), nil
	case config.MySQL:
		c, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, nil, errors.New(`dsn: is not understood; "USER:PASSWORD@tcp(HOST:3306)/DATABASE" and "USER:PASSWORD@unix(/run/mysqld/mysqld.sock)/DATABASE", say, are allowed`)
		}
		if c.Timeout == 0 {
			c.Timeout = connectTimeout
		}
		c.Logger = &mysql.NopLogger{} // what it would say comes as an error, too
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, nil, newSecrets(dsn, c.Passwd).hide(fmt.Errorf("dsn: is not understood: %w", err))
		}
		return sql.OpenDB(connector), newSecrets(dsn, c.Passwd), nil
	case config.SQLite:
		db, err := sql.Open("sqlite", sqliteURL(dsn))
		return db, nil, err
	}
	return nil, nil, fmt.Errorf("%q is no kind of database", kind)
}

func (r *sqlReader) close() { r.db.Close() }

// connect is the one connection. A SQLite file that another was put in place of is
// opened anew.
func (r *sqlReader) connect(ctx context.Context) (*sql.Conn, error) {
	if r.kind == config.SQLite {
		info, err := os.Stat(r.file)
		if err != nil {
			return nil, err
		}
		if r.info != nil && !os.SameFile(r.info, info) {
			if old, err := r.db.Conn(ctx); err == nil {
				old.Raw(func(any) error { return driver.ErrBadConn }) // so it is not used again
				old.Close()
			}
		}
		r.info = info
	}
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = conn.Raw(func(c any) error {
		if r.connection != c {
			r.connection = c
			r.generation++
		}
		return nil
	})
	if err != nil {
		conn.Close()
	}
	return conn, err
}

// read calls a function in a transaction that sees one state of the database.
func (r *sqlReader) read(ctx context.Context, in func(*sql.Tx) error) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return r.secrets.hide(err)
	}
	defer conn.Close()
	if r.plain != nil {
		if err := r.choose(ctx, conn); err != nil {
			return r.secrets.hide(err)
		}
	}
	options := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	if r.kind == config.SQLite { // all of its transactions are so, and the file is opened to read alone
		options = nil
	}
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return r.secrets.hide(err)
	}
	defer tx.Rollback()
	return r.secrets.hide(in(tx))
}

func (r *sqlReader) version(ctx context.Context) (version string, err error) {
	if r.counted.text == "" && r.kind != config.SQLite {
		return "", nil
	}
	err = r.read(ctx, func(tx *sql.Tx) (err error) {
		if r.counted.text == "" {
			var n int64
			err = tx.QueryRowContext(ctx, "PRAGMA data_version").Scan(&n)
			version = fmt.Sprint(r.generation, " ", n)
			return err
		}
		if r.latest.text == "" {
			version, _, err = r.count(ctx, tx)
			return err
		}
		change, _, err := r.ask(ctx, tx, r.latest)
		if err == nil && change == r.lastChange && time.Since(r.countedAt) > rarely*r.counting {
			_, _, err = r.count(ctx, tx)
		}
		r.lastChange = change
		version = change + r.lastCount
		return err
	})
	return version, err
}

// count asks for the version, which may say how many domains there are; -1: it does
// not.
func (r *sqlReader) count(ctx context.Context, tx *sql.Tx) (version string, total int, err error) {
	begun := time.Now()
	version, total, err = r.ask(ctx, tx, r.counted)
	if err == nil {
		r.lastCount, r.countedAt, r.counting = version, time.Now(), time.Since(begun)
	}
	return version, total, err
}

// ask is all that a query says in one row, and a number in a column "domains"; -1: there
// is none.
func (r *sqlReader) ask(ctx context.Context, tx *sql.Tx, query statement) (said string, total int, err error) {
	rows, err := tx.QueryContext(ctx, query.text)
	if err != nil {
		return "", 0, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", 0, err
	}
	total = -1
	values := newValues(len(names))
	if rows.Next() {
		if err := rows.Scan(values.pointers...); err != nil {
			return "", 0, err
		}
		var all strings.Builder
		for i, v := range values.of {
			text, _ := asText(v)
			all.WriteString(text + "\x00")
			if n, ok := asNumber(v); ok && strings.EqualFold(names[i], "domains") && 0 <= n && n <= maxRows {
				total = int(n)
			}
		}
		said = all.String()
	}
	return said, total, rows.Err()
}

func (r *sqlReader) all(ctx context.Context, yield func(record) error) (total int, err error) {
	return r.both(ctx, &r.domains, nil, yield)
}

func (r *sqlReader) since(ctx context.Context, at uint32, yield func(record) error) (total int, ok bool, err error) {
	if r.changed.text == "" {
		return -1, false, nil
	}
	total, err = r.both(ctx, &r.changed, r.changed.args(int64(at)), yield)
	return total, true, err
}

// both yields the rows of a query, and returns what the version says at the same
// moment.
func (r *sqlReader) both(ctx context.Context, query *statement, args []any, yield func(record) error) (total int, err error) {
	total = -1
	err = r.read(ctx, func(tx *sql.Tx) (err error) {
		if err := r.records(ctx, tx, *query, args, yield); err != nil || r.counted.text == "" {
			return err
		}
		_, total, err = r.count(ctx, tx)
		return err
	})
	return total, err
}

// files are read in a transaction of their own: they change far more seldom.
func (r *sqlReader) files(ctx context.Context) (texts map[string]string, err error) {
	if r.texts == "" {
		return nil, nil
	}
	texts = make(map[string]string)
	err = r.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, r.texts)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, text string
			if err := rows.Scan(&id, &text); err != nil {
				return err
			}
			switch name := id + ".toml"; {
			case !fs.ValidPath(name) || strings.ContainsAny(id, "/\\") || len(id) > maxText:
				return fmt.Errorf("the provider %q has an id that can be no file name", id[:min(len(id), maxText)])
			case len(text) > maxProviderFile:
				return fmt.Errorf("the file of the provider %q has %d octets; at most %d are allowed", id, len(text), maxProviderFile)
			case len(texts) == maxFiles:
				return fmt.Errorf("there are more than %d providers; so many are allowed", maxFiles)
			}
			texts[id] = text
		}
		return rows.Err()
	})
	return texts, err
}

func (r *sqlReader) records(ctx context.Context, tx *sql.Tx, query statement, args []any, yield func(record) error) error {
	rows, err := tx.QueryContext(ctx, query.text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	columns, err := parseColumns(names)
	if err != nil {
		return err
	}
	values := newValues(len(names))
	for rows.Next() {
		if err := rows.Scan(values.pointers...); err != nil {
			return err
		}
		if err := yield(columns.record(values.of)); err != nil {
			return err
		}
	}
	return rows.Err()
}
