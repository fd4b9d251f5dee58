//go:build unix

package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"milepost/internal/fixture"
)

// A list that was cut off is not taken over by SIGHUP, and is by SIGUSR1; a bad line
// costs that line.
func TestReloadOfLists(t *testing.T) {
	var list strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&list, "c%d.example\n", i)
	}
	dir := fixture.Directory(t,
		"example.com.toml", strings.Replace(fixture.Family, "domains =", "domains_from = \"customers.list\"\ndomains =", 1),
		"customers.list", list.String())
	p := startProcess(t, "-no-builtin", "-providers", dir)
	customers := filepath.Join(dir, "customers.list")
	reload := func(signal syscall.Signal, text, log string) string {
		t.Helper()
		fixture.Write(t, customers, text)
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		return p.waitFor(t, log)
	}
	served := func(domain string, want int) {
		t.Helper()
		if status, body := get(t, "http://"+p.addr+"/v1.1/"+domain); status != want {
			t.Errorf("%s: %d %s", domain, status, body)
		}
	}
	if said := reload(syscall.SIGHUP, "", "reload refused"); !strings.Contains(said, customers+": has 0 domains, and had 1000; if that is meant, SIGUSR1 ") {
		t.Error(said)
	}
	served("c7.example", http.StatusOK)
	if said := reload(syscall.SIGHUP, list.String()+"no domain\n", "msg=reloaded"); !strings.Contains(said, "warning: "+customers+":1001: ") {
		t.Error(said)
	}
	served("c7.example", http.StatusOK)
	reload(syscall.SIGUSR1, "", "msg=reloaded")
	served("c7.example", http.StatusNotFound)
	served("example.com", http.StatusOK)
}

// serve and show take files where they take directories, as check does.
func TestProvidersFile(t *testing.T) {
	file := filepath.Join(fixture.Directory(t, "example.com.toml", fixture.Family, "other.toml", "nonsense"), "example.com.toml")
	for _, args := range [][]string{
		{"check", file},
		{"check", "-providers", file},
		{"show", "-no-builtin", "-providers", file, "fred@example.com"},
	} {
		if code, _, stderr := milepost(t, args...); code != 0 {
			t.Errorf("%s: %s", args[0], stderr)
		}
	}
	p := startProcess(t, "-no-builtin", "-providers", file)
	if status, body := get(t, "http://"+p.addr+"/v1.1/example.com"); status != http.StatusOK {
		t.Error(status, body)
	}
}
