package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"

	"milepost/internal/config"
)

func openPostgres(d config.Directory) (asker, error) {
	c, err := pgconn.ParseConfig(d.DSN)
	if err != nil { // what the library says may hold the password
		_, _, err = openDatabase(d.Kind, d.DSN)
		return nil, cmp.Or(err, errors.New("dsn: is not understood"))
	}
	query, err := loginQuery(d)
	if err != nil {
		return nil, err
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectTimeout)
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "milepost"
	}
	// A query that has no time left ends in the server too, and the connection stays.
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
	}
	return newBatcher(d.Connections, d.Budget, newSecrets(d.DSN, c.Password), func() session { return &postgres{config: c, query: query} }), nil
}

// postgres is a connection to PostgreSQL on which the query is prepared.
type postgres struct {
	config  *pgconn.Config
	query   statement
	conn    *pgconn.PgConn // nil: there is none
	columns loginColumns
}

// ask is that of session. If the connection turns out to be dead, or the server to have
// forgotten the query, it asks once more on another one.
func (p *postgres) ask(ctx context.Context, batch []*question) (err error) {
	for range 2 {
		fresh := p.conn == nil
		if fresh {
			if err := p.connect(); err != nil {
				return err
			}
		}
		err = p.askOnce(ctx, batch)
		if err == nil || !p.conn.IsClosed() && !forgotten(err) {
			return err
		}
		p.close()
		if fresh || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// forgotten tells whether a new connection may help: tables have changed, or a pooler
// before the server has given the query to another connection.
func forgotten(err error) bool {
	code := sqlState(err)
	return code == "0A000" || code == "26000" || strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
}

// connect connects, however little time those who wait have left: the next ones find it
// done.
func (p *postgres) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.config.ConnectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	p.conn = conn
	if err = p.prepare(ctx); err != nil {
		p.close()
	}
	return err
}

func (p *postgres) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.conn.Close(ctx)
	p.conn = nil
}

// prepare prepares the query for many addresses at once. Each of them takes the same way
// through it, whether it is there or not, and has a row in any case.
func (p *postgres) prepare(ctx context.Context) error {
	alone, err := p.conn.Prepare(ctx, "", p.query.text, nil)
	if err != nil {
		return err
	}
	types, err := p.typeNames(ctx, alone.ParamOIDs)
	if err != nil {
		return err
	}
	var arrays, names []string
	for i := range p.query.order {
		arrays, names = append(arrays, fmt.Sprintf("$%d::text[]", i+1)), append(names, fmt.Sprintf("a%d", i+1))
	}
	text := p.query.withMarks(config.Postgres, func(i int) string { // as if it had been the parameter itself
		return fmt.Sprintf("milepost_asked.a%d::%s", i+1, types[i])
	})
	many, err := p.conn.Prepare(ctx, "login", "SELECT milepost_asked.n, q.* FROM unnest("+strings.Join(arrays, ", ")+") WITH ORDINALITY AS milepost_asked("+
		strings.Join(names, ", ")+", n) LEFT JOIN LATERAL (SELECT * FROM ("+text+"\n) AS one LIMIT 2) AS q ON TRUE", nil)
	if err != nil {
		return err
	}
	names = nil
	for _, f := range many.Fields[1:] {
		names = append(names, f.Name)
	}
	p.columns = parseLoginColumns(names)
	return nil
}

// typeNames are the names of types, as SQL has them.
func (p *postgres) typeNames(ctx context.Context, oids []uint32) ([]string, error) {
	names := make([]string, len(oids))
	for i, oid := range oids {
		r := p.conn.ExecParams(ctx, "SELECT format_type($1, NULL)", [][]byte{strconv.AppendUint(nil, uint64(oid), 10)}, []uint32{pgtype.OIDOID}, nil, nil).Read()
		if r.Err != nil {
			return nil, r.Err
		}
		names[i] = string(r.Rows[0][0])
	}
	return names, nil
}

func (p *postgres) askOnce(ctx context.Context, batch []*question) error {
	args := make([][]byte, len(p.query.order))
	for i, n := range p.query.order {
		for _, q := range batch {
			args[i] = appendElement(args[i], q.values[n])
		}
		args[i] = append(args[i], '}')
	}
	rows := p.conn.ExecPrepared(ctx, "login", args, nil, nil)
	found := make([][]Login, len(batch))
	for rows.NextRow() {
		row := rows.Values()
		if n, err := strconv.Atoi(string(row[0])); err == nil && 0 < n && n <= len(batch) {
			found[n-1] = p.columns.append(found[n-1], row[1:])
		}
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	for i, q := range batch {
		q.found = found[i]
	}
	return nil
}

// appendElement adds a text to an array in the form that Postgres reads, which begins
// with a brace (PostgreSQL, "Array Input and Output Syntax").
func appendElement(array []byte, s string) []byte {
	if array == nil {
		array = append(array, '{')
	} else {
		array = append(array, ',')
	}
	array = append(array, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			array = append(array, '\\')
		}
		array = append(array, s[i])
	}
	return append(array, '"')
}
