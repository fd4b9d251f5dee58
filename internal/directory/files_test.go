package directory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

func openFile(t *testing.T, preset, dsn string) reader {
	t.Helper()
	r, err := open(config.Source{Access: config.Access{Kind: config.File, Preset: preset, DSN: dsn}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// recordsOf reads all, and returns a line for each.
func recordsOf(t *testing.T, r reader) string {
	t.Helper()
	var b strings.Builder
	_, err := r.all(t.Context(), func(d record) error {
		fmt.Fprintf(&b, "%d: %s", d.line, strings.TrimRight(d.domain+" "+d.provider, " "))
		if d.bad != nil {
			fmt.Fprintf(&b, ": %v", d.bad)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFilePresets reads each format, with all the files of its page.
func TestFilePresets(t *testing.T) {
	played := make(map[string]bool)
	fixture.Pages(t, "testdata/files/*.txtar", func(t *testing.T, p *fixture.Page) {
		preset := strings.TrimPrefix(t.Name(), "TestFilePresets/")
		played[preset] = true
		dir := fixture.Directory(t, p.List()...)
		var b strings.Builder
		if filePresets[preset].names != nil {
			b.WriteString(recordsOf(t, openFile(t, preset, dir)))
		} else {
			for _, f := range p.Files {
				if f.Name != "records" {
					b.WriteString(recordsOf(t, openFile(t, preset, filepath.Join(dir, f.Name))))
				}
			}
		}
		p.Expect(t, "records", b.String())
	})
	for name := range filePresets {
		if !played[name] {
			t.Errorf("the preset %s has no page", name)
		}
	}
}

func TestFileChanges(t *testing.T) {
	dir := fixture.Directory(t, "list", "example.com\n")
	path := filepath.Join(dir, "list")
	r := openFile(t, "", path)
	version := func() string {
		v, err := r.version(t.Context())
		if err != nil || v == "" {
			t.Fatal(v, err)
		}
		return v
	}
	first := version()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	fixture.Write(t, path, "example.net\n")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if version() == first {
		t.Error("another content of the same length and time is not seen")
	}
	fixture.Write(t, path, "example.com\n")
	if version() != first {
		t.Error("the same content has another version")
	}
	if _, ok, err := r.since(t.Context(), 0, nil); ok || err != nil {
		t.Error(ok, err)
	}
}

func TestFilesThatAreMissing(t *testing.T) {
	dir := fixture.Directory(t, "postfix-accounts.cf", "alice@example.com|x\n")
	if got := recordsOf(t, openFile(t, "docker-mailserver", dir)); got != "1: example.com\n" {
		t.Error("without aliases:", got)
	}
	for _, tc := range []struct{ name, preset, dsn, err string }{
		{"a file", "list", "none", "none: no such file or directory"},
		{"a directory in a file's place", "cpanel", "", ": is a directory; must be a file"},
		{"all files", "docker-mailserver", "none", "none/postfix-virtual.cf: no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := openFile(t, tc.preset, filepath.Join(dir, tc.dsn))
			_, versionErr := r.version(t.Context())
			_, err := r.all(t.Context(), func(record) error { return nil })
			for _, err := range []error{versionErr, err} {
				if err == nil || !strings.HasSuffix(err.Error(), tc.err) {
					t.Errorf("%v, want %s", err, tc.err)
				}
			}
		})
	}
}

func TestBadFileSource(t *testing.T) {
	for _, tc := range []struct{ name, preset, dsn, err string }{
		{"preset", "plesk", "/x", `preset: "plesk" is no preset for files; cpanel, directadmin, docker-mailserver, list are allowed`},
		{"dsn", "list", "", "dsn: names no file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := openFiles(config.Source{Access: config.Access{Preset: tc.preset, DSN: tc.dsn}})
			if err == nil || err.Error() != tc.err {
				t.Errorf("%v, want %s", err, tc.err)
			}
		})
	}
}

// TestFileReadingEnds with its context, and with yield's error.
func TestFileReadingEnds(t *testing.T) {
	dir := fixture.Directory(t, "list", strings.Repeat("example.com\n", 10_000))
	r := openFile(t, "list", filepath.Join(dir, "list"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.all(ctx, func(record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop := errors.New("stop")
	if _, err := r.all(t.Context(), func(record) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// FuzzFileLines: no line makes a reader panic, and none yields a domain with a line end.
func FuzzFileLines(f *testing.F) {
	for _, line := range []string{"example.com", "example.com: alice", "*: nobody", "alice@example.com|x|y", "@example.com a", "|", "@", ":", "a b c", "\ufeff", "\x00", "# x", "@ |"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := fixture.Write(t, filepath.Join(t.TempDir(), "postfix-accounts.cf"), text)
		for preset, p := range filePresets {
			dsn := path
			if p.names != nil {
				dsn = filepath.Dir(path)
			}
			_, err := openFile(t, preset, dsn).all(t.Context(), func(d record) error {
				if strings.Contains(d.domain, "\n") || d.line < 1 || d.line > 1+strings.Count(text, "\n") {
					t.Errorf("%s: %q of line %d", preset, d.domain, d.line)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
