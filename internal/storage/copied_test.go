package storage_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/storage"
)

func copied(t *testing.T, dsn, dir string) *storage.Copied {
	t.Helper()
	c, err := storage.OpenCopied(dsn, dir, slog.New(slog.DiscardHandler))
	must(t, err)
	return c
}

// folderOf is where a certificate of the tests lies, and what is in it.
const folderOf = "certificates/ca/a.example.com/"

var ofFolder = []string{"a.example.com.key", "a.example.com.crt", "a.example.com.json"}

// put puts a certificate, with its key and what the ACME server said, into a storage.
func put(t *testing.T, s storage.Storage, name string, end time.Duration, said string) {
	t.Helper()
	now := time.Now()
	cert, key := fixture.Certificate(t, name, now.Add(-90*24*time.Hour), now.Add(end))
	for suffix, value := range map[string]string{".key": key, ".crt": cert, ".json": said} {
		must(t, s.Store(t.Context(), "certificates/ca/"+name+"/"+name+suffix, []byte(value)))
	}
}

// load reads what certmagic reads of a certificate. An error is that of the first key.
func load(t *testing.T, s storage.Storage) (all string, err error) {
	t.Helper()
	for _, base := range ofFolder {
		value, err := s.Load(t.Context(), folderOf+base)
		if err != nil {
			return "", err
		}
		all += string(value)
	}
	return all, nil
}

// A copy answers while the database does not, and only then.
func TestCopied(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	dsn, dir := server.Database(t)+"?synchronous_commit=on", filepath.Join(t.TempDir(), "copy")
	plain, one := checked(t, dsn), copied(t, dsn, dir)
	put(t, plain, "a.example.com", time.Hour, "{}")
	put(t, plain, "b.example.com", time.Hour, "{}")
	must(t, plain.Store(t.Context(), "acme/ca/users/default/default.key", []byte("secret")))
	for _, s := range []storage.Storage{plain, one} {
		_, err := s.Load(t.Context(), "acme/ca/users/default/default.key")
		must(t, err)
	}
	want, err := load(t, one)
	must(t, err)

	file := filepath.Join(dir, "ca", "a.example.com")
	var modes []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		about, _ := d.Info()
		modes = append(modes, about.Mode().String()+" "+strings.TrimPrefix(path, dir))
		return err
	}))
	if got := strings.Join(modes, ", "); got != "drwx------ , drwx------ /ca, -rw------- /ca/a.example.com" {
		t.Error(got)
	}
	before, err := os.Stat(file)
	must(t, err)
	_, err = load(t, one)
	must(t, err)
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Error("the copy is written though it is the same")
	}

	must(t, one.Lock(t.Context(), "issue_cert_a.example.com"))
	server.Stop(t)
	if _, err := load(t, one); !errors.Is(err, storage.ErrUnreachable) {
		t.Errorf("whoever has the lock reads the copy: %v", err)
	}
	must(t, one.Unlock(t.Context(), "issue_cert_a.example.com"))
	for name, s := range map[string]*storage.Copied{"the same process": one, "a restart": copied(t, dsn, dir)} {
		if got, err := load(t, s); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, base := range ofFolder {
			if about, err := s.Stat(t.Context(), folderOf+base); err != nil || about.Size == 0 || !about.IsTerminal || !s.Exists(t.Context(), folderOf+base) {
				t.Errorf("%s: %s: %+v, %v", name, base, about, err)
			}
		}
		for _, key := range []string{folderOf + "another", "certificates/ca/b.example.com/b.example.com.crt", "certificates/ca/../ca/a.example.com.crt", "acme/ca/users/default/default.key"} {
			if _, err := s.Load(t.Context(), key); !errors.Is(err, storage.ErrUnreachable) {
				t.Errorf("%s: %s: %v", name, key, err)
			}
		}
		if err := s.Lock(t.Context(), "issue_cert_a.example.com"); !errors.Is(err, storage.ErrUnreachable) {
			t.Errorf("%s: Lock: %v", name, err)
		}
		if err := s.Check(t.Context()); !errors.Is(err, storage.ErrUnreachable) || s.Copies() != 1 {
			t.Errorf("%s: %v, %d copies", name, err, s.Copies())
		}
	}

	server.Start(t)
	must(t, plain.Store(t.Context(), folderOf+"a.example.com.crt", []byte("the first of a new certificate")))
	torn := copied(t, dsn, dir)
	if got, err := torn.Load(t.Context(), folderOf+"a.example.com.crt"); err != nil || string(got) != "the first of a new certificate" {
		t.Errorf("%q, %v", got, err)
	}
	server.Stop(t)
	if got, err := load(t, torn); err != nil || got != want {
		t.Errorf("what is being written was copied: %q, %v", got, err)
	}

	server.Start(t)
	put(t, plain, "a.example.com", time.Hour, `{"renewed": true}`)
	renewed, err := load(t, copied(t, dsn, dir))
	must(t, err)
	server.Stop(t)
	if got, err := load(t, copied(t, dsn, dir)); err != nil || got != renewed || got == want {
		t.Errorf("not what was renewed: %q, %v", got, err)
	}

	server.Start(t)
	must(t, plain.Delete(t.Context(), strings.TrimSuffix(folderOf, "/")))
	if _, err := load(t, copied(t, dsn, dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the database has none: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the database has none, and the copy is there: %v", err)
	}
	put(t, plain, "a.example.com", time.Hour, "{}")
	last := copied(t, dsn, dir)
	_, err = load(t, last)
	must(t, err)
	must(t, last.Delete(t.Context(), strings.TrimSuffix(folderOf, "/")))
	if last.Copies() != 0 {
		t.Error("the copy of what was deleted is there")
	}
}

// A database that answers nothing is not waited for for long.
func TestCopiedSlow(t *testing.T) {
	t.Parallel()
	dsn, dir := fixture.Postgres(t), t.TempDir()
	plain, one := checked(t, dsn), copied(t, dsn, dir)
	put(t, plain, "a.example.com", time.Hour, "{}")
	want, err := load(t, one)
	must(t, err)
	conn := connect(t, dsn)
	for _, statement := range []string{"BEGIN", "LOCK TABLE milepost.file IN ACCESS EXCLUSIVE MODE"} {
		_, err := conn.Exec(t.Context(), statement)
		must(t, err)
	}
	if got, err := load(t, one); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}

// A directory that cannot be written is warned of once.
func TestCopiedNowhere(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	put(t, checked(t, dsn), "a.example.com", time.Hour, "{}")
	dir := filepath.Join(fixture.Write(t, filepath.Join(t.TempDir(), "file"), ""), "copy")
	var text bytes.Buffer
	c, err := storage.OpenCopied(dsn, dir, slog.New(slog.NewTextHandler(&text, nil)))
	must(t, err)
	for range 2 {
		_, err := load(t, c)
		must(t, err)
	}
	if log := text.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "certificates cannot be copied to the disk") || !strings.Contains(log, dir+": cannot keep anything there: not a directory") {
		t.Error(log)
	}
}

// What has expired goes, and what a killed process has left; nothing else does.
func TestPrune(t *testing.T) {
	t.Parallel()
	dsn, dir := fixture.Postgres(t), t.TempDir()
	plain, one := checked(t, dsn), copied(t, dsn, dir)
	for name, end := range map[string]time.Duration{"a.example.com": time.Hour, "expired.example.com": -time.Hour} {
		put(t, plain, name, end, "{}")
		_, err := one.Load(t.Context(), "certificates/ca/"+name+"/"+name+".crt")
		must(t, err)
	}
	if one.Copies() != 2 {
		t.Errorf("%d copies", one.Copies())
	}
	fixture.Write(t, filepath.Join(dir, "ca", "somebody's own"), "x")
	fixture.Write(t, filepath.Join(dir, "ca", ".new-2"), "being written")
	left := fixture.Write(t, filepath.Join(dir, "ca", ".new-1"), "half of it")
	must(t, os.Chtimes(left, time.Time{}, time.Now().Add(-2*time.Hour)))
	one.Prune(time.Now())
	entries, err := os.ReadDir(filepath.Join(dir, "ca"))
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, ", "); got != ".new-2, a.example.com, somebody's own" {
		t.Error(got)
	}
}
