package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"milepost/internal/config"
)

// postgres is the table milepost.file. Its locks are advisory locks.
type postgres struct {
	*locks
	name string // the URL without its password
	pool *pgxpool.Pool

	ready chan bool // whether the tables are there; who has it may make them
}

const (
	// connecting is how long a server may take to answer, unless connect_timeout is
	// set.
	connecting = 5 * time.Second
	// answering is how long a statement may take; then the network is taken for cut.
	answering = 10 * time.Second
	// readPatience is how long one who wants to read waits for a server that is
	// restarted; a client waits with him.
	readPatience = 2 * time.Second
	// writePatience is how long one who has something to keep does: a certificate that
	// is lost must be ordered again.
	writePatience = 2 * time.Minute
)

func openPostgres(url string) (*postgres, error) {
	c, err := parse(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns, c.MinConns, c.MaxConnIdleTime = 4, 0, time.Minute
	pool, err := pgxpool.NewWithConfig(context.Background(), c) // connects nowhere yet
	if err != nil {
		return nil, reason(err)
	}
	p := &postgres{name: config.WithoutPassword(url), pool: pool, locks: newLocks(c.ConnConfig), ready: make(chan bool, 1)}
	p.ready <- false
	return p, nil
}

// parse reads a URL, and what the environment says of PostgreSQL (PGPASSWORD,
// PGPASSFILE and so on). No error of it shows the password.
func parse(url string) (*pgxpool.Config, error) {
	parsed, err := pgxpool.ParseConfig(url)
	if err != nil {
		why := "is no URL of a database"
		if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
			if inner := e.Unwrap(); inner != nil && !strings.Contains(inner.Error(), "://") { // else it quotes
				why += ": " + inner.Error()
			}
		}
		return nil, fmt.Errorf("%s: %s; postgres://USER@HOST/DATABASE?sslmode=verify-full, say, is allowed", config.WithoutPassword(url), why)
	}
	c := parsed.ConnConfig
	if c.ConnectTimeout == 0 || c.ConnectTimeout == 2*time.Minute { // as if it were not set
		c.ConnectTimeout = connecting
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "milepost"
	}
	return parsed, nil
}

// reason says what is wrong in one line, and whether it may pass. Names and addresses
// are in it, passwords never.
func reason(err error) error {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		why := fmt.Errorf("%s (SQLSTATE %s)", refusal.Message, refusal.Code)
		switch refusal.Code[:2] {
		case "08", "53", "57", "58": // connections, resources, an operator, the system
			return unreachable(why)
		}
		return why
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = c.Unwrap()
	}
	var lines []string // an attempt each: with TLS, without, at another address
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return unreachable(errors.New(strings.Join(lines, "; ")))
}

// Check makes the tables if they are not there, and sees whether they can be written.
func (p *postgres) Check(ctx context.Context) error {
	err := p.do(ctx, 0, func(ctx context.Context) error {
		tx, err := p.pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(ctx))
		_, err = tx.Exec(ctx, "INSERT INTO milepost.file (key, value) VALUES ('.writable', '') ON CONFLICT (key) DO UPDATE SET modified = now()")
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// do makes an attempt, and more of them while the server does not answer, until
// patience or the context ends.
func (p *postgres) do(ctx context.Context, patience time.Duration, attempt func(context.Context) error) error {
	end := time.Now().Add(patience)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := p.once(ctx, attempt)
		if err == nil || errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = reason(err); !errors.Is(err, ErrUnreachable) || time.Now().Add(wait).After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (p *postgres) once(ctx context.Context, attempt func(context.Context) error) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	return attempt(ctx)
}

// prepare makes the tables before the first statement. A database that was down at the
// start may not have them.
func (p *postgres) prepare(ctx context.Context) error {
	var ready bool
	select {
	case <-ctx.Done():
		return ctx.Err()
	case ready = <-p.ready:
	}
	var err error
	if !ready {
		err = migrate(ctx, p.pool.Config().ConnConfig)
	}
	p.ready <- err == nil
	return err
}

// Store puts a value at a key.
func (p *postgres) Store(ctx context.Context, key string, value []byte) error {
	return p.exec(ctx, `INSERT INTO milepost.file (key, value) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, modified = now()`, key, value)
}

// Delete deletes a key, and all below it.
func (p *postgres) Delete(ctx context.Context, key string) error {
	return p.exec(ctx, "DELETE FROM milepost.file WHERE key = $1 OR key > $1 || '/' AND key < $1 || '0'", key) // 0 follows /
}

func (p *postgres) exec(ctx context.Context, statement string, arguments ...any) error {
	return p.do(ctx, writePatience, func(ctx context.Context) error {
		_, err := p.pool.Exec(ctx, statement, arguments...)
		return err
	})
}

// Load returns the value at a key.
func (p *postgres) Load(ctx context.Context, key string) (value []byte, err error) {
	return value, p.row(ctx, key, "SELECT value FROM milepost.file WHERE key = $1", &value)
}

func (p *postgres) row(ctx context.Context, key, query string, into ...any) error {
	err := p.do(ctx, readPatience, func(ctx context.Context) error {
		return p.pool.QueryRow(ctx, query, key).Scan(into...)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return &fs.PathError{Op: "load", Path: key, Err: fs.ErrNotExist}
	}
	return err
}

// Exists tells whether there is a key, or one below it.
func (p *postgres) Exists(ctx context.Context, key string) bool {
	_, err := p.Stat(ctx, key)
	return err == nil
}

// Stat tells what is known of a key, or of the folder that it would be.
func (p *postgres) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	about := certmagic.KeyInfo{Key: key, IsTerminal: true}
	err := p.row(ctx, key, "SELECT length(value), modified FROM milepost.file WHERE key = $1", &about.Size, &about.Modified)
	if errors.Is(err, fs.ErrNotExist) {
		about.IsTerminal = false
		err = p.row(ctx, key, `SELECT sum(length(value)), max(modified) FROM milepost.file
			WHERE key > $1 || '/' AND key < $1 || '0' HAVING count(*) > 0`, &about.Size, &about.Modified)
	}
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return about, nil
}

// List returns the keys below a path, and the folders between; unless it is recursive,
// only what lies in the path itself.
func (p *postgres) List(ctx context.Context, path string, recursive bool) (found []string, err error) {
	var keys []string
	err = p.do(ctx, readPatience, func(ctx context.Context) error {
		rows, _ := p.pool.Query(ctx, "SELECT key FROM milepost.file WHERE $1 = '' OR key > $1 || '/' AND key < $1 || '0' ORDER BY key", path)
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, err
	}
	if path != "" {
		path += "/"
	}
	seen := make(map[string]bool)
	for _, key := range keys {
		for at := len(path); at < len(key); {
			next := strings.IndexByte(key[at:], '/')
			if next < 0 {
				next = len(key) - at
			}
			if at += next; !seen[key[:at]] {
				seen[key[:at]] = true
				found = append(found, key[:at])
			}
			if at++; !recursive {
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, &fs.PathError{Op: "list", Path: strings.TrimSuffix(path, "/"), Err: fs.ErrNotExist}
	}
	return found, nil
}
