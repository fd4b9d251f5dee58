package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
)

// Copied is a database with a copy of its certificates in a directory of this machine.
// The copy answers while the database does not: never in place of one that says that
// there is no such certificate, and not where a lock on the name is held, so nothing is
// ordered because of it.
type Copied struct {
	*postgres
	dir string
	log *slog.Logger

	mu     sync.Mutex
	away   time.Time // when the database last did not answer
	failed bool      // to write the copy
}

const (
	// hurry is how long a database may take if there is a copy.
	hurry = time.Second
	// resting is how long it is not asked again then.
	resting = 5 * time.Second
)

// OpenCopied opens the database of a URL. A directory that cannot be written is warned of.
func OpenCopied(url, dir string, log *slog.Logger) (*Copied, error) {
	p, err := openPostgres(url)
	if err != nil {
		return nil, err
	}
	c := &Copied{postgres: p, dir: dir, log: log}
	c.tell(folder{&certmagic.FileStorage{Path: dir}}.Check(context.Background()))
	return c, nil
}

// certificate is what the database has in the folder of one: the chain, the key and what
// the ACME server said, by their base names. All of it is in one file of the copy, for it
// fits together only as it was at one time. Nothing else is copied, nor the account's key.
type certificate map[string][]byte

// file is where the copy lies that a key belongs to; empty if the key is none of a
// certificate. Names of files are as long as names of hosts may be, so nothing is added.
func (c *Copied) file(key string) string {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "certificates" {
		return ""
	}
	for _, part := range parts[1:3] {
		if part == "" || part[0] == '.' || part != certmagic.StorageKeys.Safe(part) || !filepath.IsLocal(part) {
			return ""
		}
	}
	return filepath.Join(c.dir, parts[1], parts[2])
}

// readCopy returns nil if there is none, or a damaged one.
func readCopy(file string) (held certificate) {
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &held) != nil {
		return nil
	}
	return held
}

// Load returns the value at a key.
func (c *Copied) Load(ctx context.Context, key string) ([]byte, error) {
	file, base := c.file(key), path.Base(key)
	if file == "" {
		return c.postgres.Load(ctx, key)
	}
	held := readCopy(file)
	value, usable := held[base]
	usable = usable && !c.locked(file)
	if usable && c.rests() {
		return value, nil
	}
	now, err := c.current(ctx, path.Dir(key), usable)
	switch {
	case err == nil:
		c.keep(file, held, now)
		if value, found := now[base]; found {
			return value, nil
		}
		return nil, &fs.PathError{Op: "load", Path: key, Err: fs.ErrNotExist}
	case usable && c.isAway(ctx, err):
		return value, nil
	}
	return nil, err
}

// current asks the database, in one statement.
func (c *Copied) current(ctx context.Context, folder string, hurried bool) (now certificate, err error) {
	patience := readPatience
	if hurried {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hurry)
		defer cancel()
		patience = 0
	}
	err = c.do(ctx, patience, func(ctx context.Context) error {
		rows, _ := c.pool.Query(ctx, "SELECT key, value FROM milepost.file WHERE key > $1 || '/' AND key < $1 || '0'", folder)
		now = make(certificate)
		var key string
		var value []byte
		_, err := pgx.ForEachRow(rows, []any{&key, &value}, func() error { now[path.Base(key)] = bytes.Clone(value); return nil })
		return err
	})
	return now, err
}

// Stat tells what is known of a key. Of a copy that is when it was made.
func (c *Copied) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	file := c.file(key)
	value, usable := readCopy(file)[path.Base(key)]
	if !usable || c.locked(file) {
		return c.postgres.Stat(ctx, key)
	}
	if !c.rests() {
		hurried, cancel := context.WithTimeout(ctx, hurry)
		defer cancel()
		if about, err := c.postgres.Stat(hurried, key); !c.isAway(ctx, err) {
			return about, err
		}
	}
	about, err := os.Stat(file)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key, Modified: about.ModTime(), Size: int64(len(value)), IsTerminal: true}, nil
}

// Exists tells whether there is a key, or one below it.
func (c *Copied) Exists(ctx context.Context, key string) bool {
	_, err := c.Stat(ctx, key)
	return err == nil
}

// Delete deletes a key, and all below it. Of a certificate the copy goes as a whole.
func (c *Copied) Delete(ctx context.Context, key string) error {
	if err := c.postgres.Delete(ctx, key); err != nil {
		return err
	}
	if file := cmp.Or(c.file(key), c.file(key+"/.")); file != "" {
		c.tell(remove(file))
	}
	return nil
}

// locked tells whether this process has a lock on the name of a copy, or asks for one:
// whoever orders must know what the others have.
func (c *Copied) locked(file string) bool {
	c.locks.mu.Lock()
	defer c.locks.mu.Unlock()
	for name := range c.held {
		if strings.HasSuffix(name, "_"+filepath.Base(file)) {
			return true
		}
	}
	return false
}

func (c *Copied) rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.away) < resting
}

// isAway tells whether an error is that of a database that does not answer, or not in
// time.
func (c *Copied) isAway(ctx context.Context, err error) bool {
	if !errors.Is(err, ErrUnreachable) && !(errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = time.Now()
	return true
}

// keep makes the copy what the database has now. What does not fit together is being
// written there, or broken, and the copy stays.
func (c *Copied) keep(file string, held, now certificate) {
	switch name := filepath.Base(file); {
	case len(now) == 0 && held == nil || maps.EqualFunc(held, now, bytes.Equal):
	case len(now) == 0:
		c.tell(remove(file))
	case now[name+".json"] != nil:
		if _, err := tls.X509KeyPair(now[name+".crt"], now[name+".key"]); err == nil {
			c.tell(writeCopy(file, now))
		}
	}
}

// temporary begins the names of files that are being written.
const temporary = ".new-"

func writeCopy(file string, now certificate) error {
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, temporary) // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// tell logs once that the copy cannot be written.
func (c *Copied) tell(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.failed {
		c.log.Warn("certificates cannot be copied to the disk; a start while the database is down has none", "err", err)
	}
	c.failed = err != nil
}

func remove(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Copies counts the certificates that are copied.
func (c *Copied) Copies() (n int) {
	for file := range c.files() {
		if !strings.HasPrefix(filepath.Base(file), temporary) {
			n++
		}
	}
	return n
}

// files yields all files of the copy, with those that were not finished.
func (c *Copied) files() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		issuers, _ := os.ReadDir(c.dir)
		for _, issuer := range issuers {
			names, _ := os.ReadDir(filepath.Join(c.dir, issuer.Name()))
			for _, name := range names {
				if name.Type().IsRegular() && !yield(filepath.Join(c.dir, issuer.Name(), name.Name())) {
					return
				}
			}
		}
	}
}

// Prune removes copies of certificates that have expired: if they are in the database
// still, they are of no use either. Files that are no copies stay.
func (c *Copied) Prune(now time.Time) {
	for file := range c.files() {
		if strings.HasPrefix(filepath.Base(file), temporary) {
			if about, err := os.Stat(file); err == nil && now.Sub(about.ModTime()) > time.Hour { // its process was killed
				os.Remove(file)
			}
			continue
		}
		held, name := readCopy(file), filepath.Base(file)
		pair, err := tls.X509KeyPair(held[name+".crt"], held[name+".key"])
		if err == nil && now.After(pair.Leaf.NotAfter) {
			os.Remove(file)
		}
	}
}
