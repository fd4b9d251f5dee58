package storage_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"milepost/internal/fixture"
	"milepost/internal/storage"
)

// kinds yields where each kind of storage is.
var kinds = map[string]func(*testing.T) string{
	"a folder":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "kept") },
	"PostgreSQL": func(t *testing.T) string { return fixture.Postgres(t) },
}

func each(t *testing.T, test func(t *testing.T, where string)) {
	for name, where := range kinds {
		t.Run(name, func(t *testing.T) { test(t, where(t)) })
	}
}

func open(t *testing.T, where string) storage.Storage {
	t.Helper()
	s, err := storage.Open(where)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checked(t *testing.T, where string) storage.Storage {
	t.Helper()
	s := open(t, where)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStorage(t *testing.T) { each(t, testStorage) }

func testStorage(t *testing.T, where string) {
	ctx, s := t.Context(), checked(t, where)
	absent := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.Load(ctx, "a/b")
	absent("Load", err)
	_, err = s.Stat(ctx, "a")
	absent("Stat", err)
	_, err = s.List(ctx, "a", true)
	absent("List", err)
	if s.Exists(ctx, "a") {
		t.Error("a exists")
	}
	must(t, s.Delete(ctx, "a/b"))

	for _, key := range []string{"a/b", "a/c/d", "a/c/e", "a-b/x", "a0/y", "a_/z%", "a/ä"} {
		must(t, s.Store(ctx, key, []byte("first of "+key)))
		must(t, s.Store(ctx, key, []byte("value of "+key+"\x00\xff")))
	}
	other := open(t, where)
	if value, err := other.Load(ctx, "a/c/d"); err != nil || string(value) != "value of a/c/d\x00\xff" {
		t.Errorf("%q, %v", value, err)
	}
	for path, want := range map[string]string{
		"a true":    "a/b a/c a/c/d a/c/e a/ä",
		"a false":   "a/b a/c a/ä",
		"a/c true":  "a/c/d a/c/e",
		"a/c false": "a/c/d a/c/e",
	} {
		path, recursive, _ := strings.Cut(path, " ")
		keys, err := s.List(ctx, path, recursive == "true")
		if diff := cmp.Diff(strings.Fields(want), keys); diff != "" || err != nil {
			t.Errorf("List %s %s: %v (-want +got)\n%s", path, recursive, err, diff)
		}
	}
	if about, err := s.Stat(ctx, "a/c/d"); err != nil || !about.IsTerminal || about.Key != "a/c/d" || about.Size != int64(len("value of a/c/d\x00\xff")) || time.Since(about.Modified).Abs() > time.Hour {
		t.Errorf("%+v, %v", about, err)
	}
	if about, err := s.Stat(ctx, "a/c"); err != nil || about.IsTerminal {
		t.Errorf("%+v, %v", about, err)
	}
	if !s.Exists(ctx, "a/c") || !s.Exists(ctx, "a/c/d") || s.Exists(ctx, "a/c/") && storage.IsURL(where) || s.Exists(ctx, "a/c/dd") {
		t.Error("not what exists")
	}
	must(t, s.Delete(ctx, "a"))
	if s.Exists(ctx, "a") || !s.Exists(ctx, "a-b/x") || !s.Exists(ctx, "a0/y") || !s.Exists(ctx, "a_/z%") {
		t.Error("more than a is gone, or less")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Lock(ended, "a"); storage.IsURL(where) && !errors.Is(err, context.Canceled) {
		t.Errorf("Lock after the end: %v", err)
	}
}

// Many take a lock, through two storages; never two at once.
func TestLocks(t *testing.T) { each(t, testLocks) }

func testLocks(t *testing.T, where string) {
	t.Parallel()
	all := []storage.Storage{checked(t, where), checked(t, where)}
	turns := 4 // the folder looks once a second
	var inside, done atomic.Int32
	var waiting sync.WaitGroup
	for i := range turns {
		waiting.Go(func() {
			s := all[i%2]
			if err := s.Lock(t.Context(), "order"); err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d are inside", n)
			}
			time.Sleep(20 * time.Millisecond)
			inside.Add(-1)
			done.Add(1)
			if err := s.Unlock(t.Context(), "order"); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if done.Load() != int32(turns) {
		t.Errorf("%d turns", done.Load())
	}
	must(t, all[0].Lock(t.Context(), "order"))
	must(t, all[0].Lock(t.Context(), "another"))
	for i, s := range all {
		if ok, err := s.TryLock(t.Context(), "order"); ok || err != nil {
			t.Errorf("storage %d: %v, %v", i, ok, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := s.Lock(ctx, "order"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("storage %d: %v", i, err)
		}
		cancel()
	}
	must(t, all[0].Unlock(t.Context(), "order"))
	if ok, err := all[1].TryLock(t.Context(), "order"); !ok || err != nil {
		t.Errorf("it was let go: %v, %v", ok, err)
	}
}

// connections are those of milepost to the database.
func connections(t *testing.T, dsn string) (pids []int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(context.Background())
	rows, _ := conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'milepost' AND datname = current_database()")
	pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
	must(t, err)
	return pids
}

func exec(t *testing.T, dsn, statement string, arguments ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), statement, arguments...)
	must(t, err)
}

// A connection that breaks costs no lock if nobody else wanted it, and none is left when
// no lock is.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	one, two := checked(t, dsn), checked(t, dsn)
	must(t, one.Lock(t.Context(), "order"))
	before := connections(t, dsn)
	exec(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'milepost' AND datname = current_database()")
	held := func() (held bool) {
		conn, err := pgx.Connect(t.Context(), dsn)
		must(t, err)
		defer conn.Close(context.Background())
		must(t, conn.QueryRow(t.Context(), "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&held))
		return held
	}
	fixture.Await(t, "the lock is not taken again", held)
	if ok, err := two.TryLock(t.Context(), "order"); ok || err != nil {
		t.Errorf("%v, %v: two have it", ok, err)
	}
	must(t, one.Unlock(t.Context(), "order"))
	if ok, err := two.TryLock(t.Context(), "order"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	must(t, two.Unlock(t.Context(), "order"))
	fixture.Await(t, "sessions are left", func() bool { return !held() && len(connections(t, dsn)) <= len(before) })
}

// A database that is away fails what cannot wait, and what must be kept waits for it.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	dsn := server.Database(t) + "?synchronous_commit=on" // what was stored is there after the stop
	server.Stop(t)
	s := open(t, dsn)
	if err := s.Check(t.Context()); !errors.Is(err, storage.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), fixture.DatabasePassword) {
		t.Errorf("down at the start: %v", err)
	}
	server.Start(t)
	must(t, s.Store(t.Context(), "a", []byte("1"))) // makes the tables
	must(t, s.Lock(t.Context(), "order"))

	server.Stop(t)
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, storage.ErrUnreachable) {
		t.Errorf("Load: %v", err)
	}
	if err := s.Lock(t.Context(), "another"); !errors.Is(err, storage.ErrUnreachable) {
		t.Errorf("Lock: %v", err)
	}
	stored := make(chan error)
	go func() { stored <- s.Store(context.Background(), "b", []byte("2")) }()
	select {
	case err := <-stored:
		t.Errorf("Store: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	server.Start(t)
	must(t, <-stored)
	for key, want := range map[string]string{"a": "1", "b": "2"} {
		if value, err := s.Load(t.Context(), key); err != nil || string(value) != want {
			t.Errorf("%s: %q, %v", key, value, err)
		}
	}
	must(t, s.Lock(t.Context(), "another"))
	must(t, s.Unlock(t.Context(), "order"))
	must(t, s.Unlock(t.Context(), "another"))
}

// Replicas that start at once make the tables once.
func TestMigrations(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := storage.Open(dsn)
			if err == nil {
				err = s.Check(context.Background())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	// A user who may make nothing is enough from then on.
	u, err := url.Parse(dsn)
	must(t, err)
	database := strings.TrimPrefix(u.Path, "/")
	for _, statement := range []string{
		"CREATE ROLE reader_$ LOGIN PASSWORD 'reader'",
		"REVOKE ALL ON DATABASE $ FROM PUBLIC",
		"GRANT CONNECT ON DATABASE $ TO reader_$",
		"GRANT USAGE ON SCHEMA milepost TO reader_$",
		"GRANT SELECT ON milepost.migration TO reader_$",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON milepost.file TO reader_$",
	} {
		exec(t, dsn, strings.ReplaceAll(statement, "$", database))
	}
	u.User = url.UserPassword("reader_"+database, "reader")
	s := checked(t, u.String())
	must(t, s.Store(t.Context(), "a", []byte("1")))
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	u, err := url.Parse(dsn)
	must(t, err)
	with := func(change func(*url.URL)) string {
		c := *u
		change(&c)
		return c.String()
	}
	shown := "postgres://milepost:xxxxx@" + u.Host + u.Path
	for name, tc := range map[string]struct{ where, want string }{
		"a wrong password": {with(func(u *url.URL) { u.User = url.UserPassword("milepost", "wr0ng") }),
			shown + `: password authentication failed for user "milepost" (SQLSTATE 28P01)`},
		"no such database": {with(func(u *url.URL) { u.Path = "/absent" }),
			"postgres://milepost:xxxxx@" + u.Host + `/absent: database "absent" does not exist (SQLSTATE 3D000)`},
		"a bad mode": {dsn + "?sslmode=maybe",
			shown + "?sslmode=maybe: is no URL of a database: sslmode is invalid; postgres://USER@HOST/DATABASE?sslmode=verify-full, say, is allowed"},
		"a bad port": {"postgres://milepost:wr0ng@localhost:port/x",
			"postgres://…: is no URL of a database; postgres://USER@HOST/DATABASE?sslmode=verify-full, say, is allowed"},
		"a password in a parameter": {"postgres://" + u.Host + "/x?user=milepost&password=wr0ng&sslmode=disable",
			"postgres://" + u.Host + `/x?password=xxxxx&sslmode=disable&user=milepost: password authentication failed for user "milepost" (SQLSTATE 28P01)`},
		"a password with what a URL cannot hold": {"postgres://milepost:wr0ng%zz@localhost/x",
			"postgres://…: is no URL of a database: invalid percent-encoded token in password; postgres://USER@HOST/DATABASE?sslmode=verify-full, say, is allowed"},
	} {
		s, err := storage.Open(tc.where)
		if err == nil {
			err = s.Check(t.Context())
		}
		if err == nil || err.Error() != tc.want || errors.Is(err, storage.ErrUnreachable) {
			t.Errorf("%s: %v\nwant %s", name, err, tc.want)
		}
	}
}
