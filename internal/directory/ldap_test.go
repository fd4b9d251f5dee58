package directory

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// readerDSN is how a slapd is asked by somebody who may read.
func readerDSN(s *fixture.LDAPServer) string {
	return "ldap://" + fixture.SlapdReader + ":" + url.PathEscape(fixture.SlapdPassword) + "@" + s.Addr
}

func openReader(t testing.TB, s config.Source) *ldapReader {
	t.Helper()
	r, err := openLDAP(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r.(*ldapReader)
}

func openLogins(t testing.TB, d config.Directory) *ldapLogins {
	t.Helper()
	l, err := openLDAPLogins(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// slapdOf runs a slapd with a system's schema and entries.
func slapdOf(t *testing.T, p *fixture.Page) *fixture.LDAPServer {
	t.Helper()
	schema, _ := p.Text("schema")
	ldif, _ := p.Text("ldif")
	root, _ := p.Text("root")
	return fixture.Slapd(t, fixture.SlapdOptions{Schema: schema, LDIF: ldif, Root: root})
}

// TestLDAPPresets asks each system's domains and login names, with its schema in a real
// slapd.
func TestLDAPPresets(t *testing.T) {
	played := make(map[string]bool)
	fixture.Pages(t, "testdata/ldap/*.txtar", func(t *testing.T, p *fixture.Page) {
		preset := strings.TrimPrefix(t.Name(), "TestLDAPPresets/")
		played[preset] = true
		server := slapdOf(t, p)
		base, _ := p.Text("base")
		access := config.Access{Kind: config.LDAP, DSN: readerDSN(server), Preset: preset, Base: strings.TrimSpace(base)}

		r := openReader(t, config.Source{Access: access})
		p.Expect(t, "domains", strings.Join(domainsOf(t, r), ""))
		if v, err := r.version(t.Context()); err != nil || v == "" {
			t.Errorf("version %q, %v", v, err)
		}

		l := openLogins(t, config.Directory{Access: access, Connections: 2})
		addresses, _ := p.Text("addresses")
		var b strings.Builder
		for line := range strings.Lines(addresses) {
			address := strings.TrimSpace(line)
			fmt.Fprintf(&b, "%s: %s\n", address, loginOf(t, l, address))
		}
		p.Expect(t, "logins", b.String())
	})
	for name := range ldapPresets {
		if !played[name] {
			t.Errorf("the preset %s has no page", name)
		}
	}
}

// domainsOf reads all, and returns a sorted line for each.
func domainsOf(t *testing.T, r *ldapReader) []string {
	t.Helper()
	var lines []string
	_, err := r.all(t.Context(), func(d record) error {
		if d.changed == 0 {
			t.Errorf("%s: no time of its change", d.domain)
		}
		lines = append(lines, strings.TrimRight(strings.Join([]string{d.domain, d.provider, d.host, d.name}, " "), " ")+"\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func loginOf(t testing.TB, l *ldapLogins, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	logins, err := l.login(ctx, fixture.Address(t, address))
	switch {
	case err != nil:
		t.Fatalf("%s: %v", address, err)
	case len(logins) == 0:
		return "not known"
	case len(logins) > 1:
		return "ambiguous"
	}
	return strings.TrimSuffix(logins[0].Name+", "+logins[0].FullName, ", ")
}
