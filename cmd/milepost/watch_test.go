package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// Files that change are taken over without a signal: rewritten with the same length and
// time, put in another's place, or swapped under a symbolic link as Kubernetes does. A
// mistake is told once, and what was served stays.
func TestFilesAreWatched(t *testing.T) {
	dir := fixture.Directory(t,
		"milepost.toml", "[catalogue]\nproviders = [\"providers\"]\nbuiltin = false\ncheck_every = \"10ms\"\n[service]\nname = \"Before\"\n",
		"one/example.com.toml", fixture.Family,
		"two/example.com.toml", strings.ReplaceAll(fixture.Family, "mail.", "mx01."))
	link := filepath.Join(dir, "providers")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "-config", filepath.Join(dir, "milepost.toml"))
	served := func(path, want string) {
		t.Helper()
		if status, body := get(t, "http://"+p.addr+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %s", path, status, want)
		}
	}
	served("/v1.1/example.com", "mail.example.com")

	if err := os.Symlink("two", link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")
	served("/v1.1/example.com", "mx01.example.com")

	file := filepath.Join(dir, "two", "example.com.toml")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	fixture.Write(t, file, strings.ReplaceAll(fixture.Family, "mail.", "mx02."))
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")
	served("/v1.1/example.com", "mx02.example.com")

	fixture.Write(t, filepath.Join(dir, "two", "broken.toml"), "nonsense")
	p.waitFor(t, "reload refused")
	served("/v1.1/example.com", "mx02.example.com")
	if err := os.Remove(filepath.Join(dir, "two", "broken.toml")); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")

	fixture.Write(t, filepath.Join(dir, "milepost.toml"), "[http]\ndrain = \"1s\"\n[catalogue]\nproviders = [\"providers\"]\ncheck_every = \"10ms\"\n[service]\nname = \"Behind\"\n")
	p.waitFor(t, `msg="some settings need a restart" settings=http.drain`)
	p.waitFor(t, "msg=reloaded")
	served("/", "Behind")
}
