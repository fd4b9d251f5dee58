package directory

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// TestWatched follows an LDAP server and a file as the sources of a whole server are.
func TestWatched(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: hosting(20)})
	list := fixture.Write(t, filepath.Join(t.TempDir(), "list"), "example.com\nexample.net premium\n")
	sources := NewSources(Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(sources.Close)
	source := func(name string, kind config.Kind, preset, dsn string) config.Source {
		return config.Source{Name: name, Provider: "own", Every: 20 * time.Millisecond, Access: config.Access{Kind: kind, Preset: preset, DSN: dsn}}
	}
	tables, warnings, mistakes := sources.Tables(t.Context(), []config.Source{
		source("people", config.LDAP, "openldap", readerDSN(server)), source("list", config.File, "list", list)})
	if len(warnings)+len(mistakes) > 0 {
		t.Fatal(warnings, mistakes)
	}
	if tables[0].Len() != 20 || tables[1].Len() != 2 {
		t.Fatal(tables[0].Len(), tables[1].Len())
	}
	go sources.Run(t.Context())
	expect := func(table, size int, domain, provider string) {
		t.Helper()
		var row string
		fixture.Await(t, fmt.Sprintf("table %d does not get %d domains, %q of %q", table, size, domain, provider), func() bool {
			tables, _ := sources.Take()
			r, _ := tables[table].Find(domain)
			row = r.Provider
			return tables[table].Len() == size && row == provider
		})
	}
	server.Change("dn: ou=new,dc=example,dc=com\nchangetype: add\nobjectClass: organizationalUnit\nobjectClass: domainRelatedObject\nou: new\nassociatedDomain: new.example\n")
	expect(0, 21, "new.example", "own")
	server.Change("dn: ou=3,dc=example,dc=com\nchangetype: delete\n")
	expect(0, 20, "d3.example", "")
	fixture.Write(t, list, "example.com\nexample.net\nexample.org premium\n")
	expect(1, 3, "example.net", "own")
	expect(1, 3, "example.org", "premium")

	server.Stop()
	state := func() State {
		states := sources.States()
		return states[slices.IndexFunc(states, func(s State) bool { return s.Name == "people" })]
	}
	fixture.Await(t, "nobody sees that the server is down", func() bool { return state().Stale() })
	if err := state().Err.Error(); !strings.HasPrefix(err, server.Addr+": ") || strings.Contains(err, fixture.SlapdPassword) {
		t.Error(err)
	}
	expect(0, 20, "new.example", "own")
	server.Start()
	server.Change("dn: ou=4,dc=example,dc=com\nchangetype: delete\n")
	expect(0, 19, "d4.example", "")
	if state().Stale() {
		t.Error(state().Err)
	}
}
