package directory

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
)

// hosting are entries of domains, as many as wanted.
func hosting(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "dn: ou=%d,dc=example,dc=com\nobjectClass: organizationalUnit\nobjectClass: domainRelatedObject\nou: %[1]d\nassociatedDomain: d%[1]d.example\n\n", i)
	}
	return b.String()
}

const people = `dn: uid=alice,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice Example
sn: Example
mail: alice@example.com

`

func TestLDAPConnections(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: people})
	user := fixture.SlapdReader + ":" + url.PathEscape(fixture.SlapdPassword) + "@"
	ca := "ca=" + server.Roots
	for _, tc := range []struct{ name, dsn, err string }{
		{"clear text to loopback", "ldap://" + user + server.Addr, ""},
		{"StartTLS", "ldap://" + user + server.Addr + "?tls=starttls&" + ca, ""},
		{"TLS", "ldaps://" + user + server.AddrTLS + "?" + ca, ""},
		{"a socket", "ldapi://" + user + server.Socket, ""},
		{"a socket as in RFC 4516", "ldapi://" + user + strings.ReplaceAll(server.Socket, "/", "%2F"), ""},

		{"StartTLS, unknown root", "ldap://" + user + server.Addr + "?tls=starttls", server.Addr + ": StartTLS: TLS handshake failed (tls: failed to verify certificate: x509: certificate signed by unknown authority)"},
		{"TLS, unknown root", "ldaps://" + user + server.AddrTLS, server.AddrTLS + ": TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"another password", "ldap://" + fixture.SlapdReader + ":secret@" + server.Addr, server.Addr + `: bind as "` + fixture.SlapdReader + `": invalid credentials`},
		{"no server", "ldapi:///nowhere/ldapi", "/nowhere/ldapi: dial unix /nowhere/ldapi: connect: no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			access := config.Access{DSN: tc.dsn, Preset: "openldap"}
			r := openReader(t, config.Source{Access: access})
			l := openLogins(t, config.Directory{Access: access})
			_, versionErr := r.version(t.Context())
			logins, err := l.login(t.Context(), fixture.Address(t, "alice@example.com"))
			for _, err := range []error{versionErr, err} {
				if got := fmt.Sprint(err); tc.err == "" && err != nil || !strings.HasPrefix(got, tc.err) {
					t.Errorf("%s\nwant %s", got, tc.err)
				}
			}
			if tc.err == "" && !slices.Equal(logins, []Login{{Name: "alice", FullName: "Alice Example"}}) {
				t.Error(logins)
			}
		})
	}
}

func TestLDAPPages(t *testing.T) {
	const n = 3*ldapPage + 7
	limits := "limits dn.exact=" + fixture.SlapdReader + " size.soft=100 size.hard=100 size.pr=1000 size.prtotal="
	for _, tc := range []struct{ name, total, err string }{
		{"a limit for one page", "unlimited", ""},
		{"a limit for all pages", "1000", "the server's size limit is exceeded; it must be raised for this bind DN"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: hosting(n), Config: limits + tc.total})
			r := openReader(t, config.Source{Access: config.Access{DSN: readerDSN(server), Preset: "openldap"}})
			var got int
			_, err := r.all(t.Context(), func(record) error { got++; return nil })
			if tc.err != "" {
				if err == nil || err.Error() != server.Addr+": "+tc.err {
					t.Error(err)
				}
			} else if err != nil || got != n {
				t.Errorf("%d of %d: %v", got, n, err)
			}
		})
	}
}

func TestLDAPAttributes(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: people + `dn: o=one,dc=example,dc=com
objectClass: organization
objectClass: domainRelatedObject
o: one
associatedDomain: one.example
associatedDomain: ONE.example
businessCategory: hosting
physicalDeliveryOfficeName: mx1.example.net
description: One

`})
	for _, tc := range []struct {
		name   string
		source config.Source
		want   []string
	}{
		{"belongings", config.Source{Access: config.Access{Preset: "openldap"}, ProviderAttribute: "businessCategory", HostAttribute: "physicalDeliveryOfficeName", NameAttribute: "description"},
			[]string{"one.example hosting mx1.example.net One\n"}},
		{"domains of addresses", config.Source{Access: config.Access{Filter: "(objectClass=inetOrgPerson)"}, DomainAttribute: "mail"}, []string{"example.com\n"}},
		{"two attributes", config.Source{Access: config.Access{Filter: "(|(mail=*)(associatedDomain=*))"}, DomainAttribute: "mail, associatedDomain"}, []string{"example.com\n", "one.example\n"}},
		{"a base", config.Source{Access: config.Access{Preset: "openldap", Base: "uid=alice,dc=example,dc=com"}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.source.DSN = readerDSN(server)
			if got := domainsOf(t, openReader(t, tc.source)); !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestLDAPChanges follows changes of a source as its version tells them.
func TestLDAPChanges(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: hosting(3)})
	r := openReader(t, config.Source{Access: config.Access{DSN: readerDSN(server), Preset: "openldap"}})
	have := make(map[string]bool)
	var at int64
	take := func(d record) error {
		have[d.domain] = !d.gone
		at = max(at, d.changed)
		return nil
	}
	version := func() string {
		v, err := r.version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := version()
	if _, err := r.all(t.Context(), take); err != nil {
		t.Fatal(err)
	}
	fixture.Await(t, "the version is not known again", func() bool { return version() == before })
	const entry = "ou=1,dc=example,dc=com"
	for _, step := range []struct{ name, ldif, want string }{
		{"nothing", "", "d0.example d1.example d2.example"},
		{"a new entry", "dn: ou=9,dc=example,dc=com\nchangetype: add\nobjectClass: organizationalUnit\nobjectClass: domainRelatedObject\nou: 9\nassociatedDomain: d9.example\n", "d0.example d1.example d2.example d9.example"},
		{"a new value", "dn: " + entry + "\nchangetype: modify\nadd: associatedDomain\nassociatedDomain: more.example\n", "d0.example d1.example d2.example d9.example more.example"},
		{"a value less", "dn: " + entry + "\nchangetype: modify\ndelete: associatedDomain\nassociatedDomain: d1.example\n", "d0.example d2.example d9.example more.example"},
		{"an entry less", "dn: ou=0,dc=example,dc=com\nchangetype: delete\n", "d2.example d9.example more.example"},
		{"no longer found", "dn: ou=2,dc=example,dc=com\nchangetype: modify\ndelete: associatedDomain\n-\ndelete: objectClass\nobjectClass: domainRelatedObject\n", "d9.example more.example"},
		{"somebody else", "dn: " + fixture.SlapdReader + "\nchangetype: modify\nreplace: description\ndescription: x\n", "d9.example more.example"},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.ldif != "" {
				server.Change(step.ldif)
				if version() == before {
					t.Error("the version is the same")
				}
			}
			fixture.Await(t, "what went is not seen", func() bool { // the list of entries may have to wait
				if _, ok, err := r.since(t.Context(), uint32(at), take); err != nil || !ok {
					t.Fatal(ok, err)
				}
				return !r.owing
			})
			before = version()
			var now []string
			for d, is := range have {
				if is {
					now = append(now, d)
				}
			}
			slices.Sort(now)
			if got := strings.Join(now, " "); got != step.want {
				t.Errorf("%s, want %s", got, step.want)
			}
		})
	}

	t.Run("a domain moves to another entry", func(t *testing.T) {
		server.Change("dn: ou=2,dc=example,dc=com\nchangetype: modify\nadd: objectClass\nobjectClass: domainRelatedObject\n-\nadd: associatedDomain\nassociatedDomain: d9.example\n")
		if _, ok, err := r.since(t.Context(), uint32(at), take); ok || err != nil {
			t.Error(ok, err)
		}
		if _, err := r.all(t.Context(), take); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := r.since(t.Context(), uint32(at), take); ok || err != nil {
			t.Error("two entries have it, yet", ok, err)
		}
	})
	t.Run("yield's error ends it", func(t *testing.T) {
		stop := errors.New("stop")
		if _, err := r.all(t.Context(), func(record) error { return stop }); !errors.Is(err, stop) {
			t.Error(err)
		}
		if _, ok, err := r.since(t.Context(), 0, take); ok || err != nil {
			t.Error("half of it was read, yet", ok, err)
		}
	})
}

// TestActiveDirectoryChanges asks by whenChanged, and takes the version from the root
// DSE.
func TestActiveDirectoryChanges(t *testing.T) {
	server := slapdOf(t, fixture.ReadPage(t, "testdata/ldap/activedirectory.txtar"))
	r := openReader(t, config.Source{Access: config.Access{DSN: readerDSN(server), Preset: "activedirectory"}})
	if _, err := r.all(t.Context(), func(record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if v, err := r.version(t.Context()); v != "51234" || err != nil {
		t.Error(v, err)
	}
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	var got []string
	_, ok, err := r.since(t.Context(), uint32(at.Unix()), func(d record) error {
		got = append(got, d.domain)
		return nil
	})
	if !ok || err != nil || !slices.Equal(got, []string{"example.com"}) {
		t.Error(got, ok, err)
	}
}

// TestLDAPServerRestarts: what was connected is so again.
func TestLDAPServerRestarts(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: people + hosting(1)})
	access := config.Access{DSN: readerDSN(server), Preset: "openldap"}
	r, l := openReader(t, config.Source{Access: access}), openLogins(t, config.Directory{Access: access, Connections: 1})
	ask := func() (version, login error) {
		_, version = r.version(t.Context())
		_, login = l.login(t.Context(), fixture.Address(t, "alice@example.com"))
		return version, login
	}
	if a, b := ask(); a != nil || b != nil {
		t.Fatal(a, b)
	}
	server.Stop()
	if a, b := ask(); a == nil || b == nil {
		t.Error("there is no server, yet", a, b)
	}
	server.Start()
	fixture.Await(t, "it is not connected again", func() bool { a, b := ask(); return a == nil && b == nil })
	server.Stop()
	server.Start()
	if a, b := ask(); a != nil || b != nil { // closed meanwhile, unknown to us
		t.Error(a, b)
	}
}

// TestLDAPCanceled: reading ends with its context.
func TestLDAPCanceled(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: hosting(2)})
	r := openReader(t, config.Source{Access: config.Access{DSN: readerDSN(server), Preset: "openldap"}})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.all(ctx, func(record) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := r.all(t.Context(), func(record) error { return nil }); err != nil {
		t.Error("and it can be read no more:", err)
	}
}

// TestBaseOfAddress: the entry to search below can be that of the domain.
func TestBaseOfAddress(t *testing.T) {
	page := fixture.ReadPage(t, "testdata/ldap/iredmail.txtar")
	l := openLogins(t, config.Directory{Access: config.Access{DSN: readerDSN(slapdOf(t, page)), Preset: "iredmail", Base: "domainName=%EMAILDOMAIN%,o=domains,dc=example,dc=com"}})
	for address, want := range map[string]string{
		"alice@example.com": "alice@example.com, Alice Example",
		"alice@example.net": "not known", // there is no such entry
	} {
		if got := loginOf(t, l, address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got, err := l.login(t.Context(), address.Address{Domain: fixture.Domain(t, "example.com")}); got != nil || err != nil {
		t.Error("somebody in the domain:", got, err)
	}
}

// BenchmarkLDAPRead is a source of 20,000 domains: read whole, and asked what changed
// (nothing did, and the list of its entries is made each time).
func BenchmarkLDAPRead(b *testing.B) {
	const n = 20_000
	server := fixture.Slapd(b, fixture.SlapdOptions{LDIF: hosting(n), Config: "index objectClass eq\nindex modifyTimestamp eq\nlimits dn.exact=" + fixture.SlapdReader + " size=unlimited"})
	r := openReader(b, config.Source{Access: config.Access{DSN: readerDSN(server), Preset: "openldap"}})
	now := uint32(time.Now().Add(time.Hour).Unix())
	whole := func(b *testing.B) {
		got := 0
		if _, err := r.all(b.Context(), func(record) error { got++; return nil }); err != nil || got != n {
			b.Fatal(got, err)
		}
	}
	since := func(b *testing.B) {
		if _, ok, err := r.since(b.Context(), now, func(record) error { return errors.New("a change") }); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
	for _, bench := range []struct {
		name string
		do   func(*testing.B)
	}{
		{"all", whole},
		{"since with a list", func(b *testing.B) { r.listing = 0; since(b) }},
		{"since", func(b *testing.B) { r.listing = time.Hour; since(b) }},
	} {
		whole(b)
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				bench.do(b)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/n*1e9, "ns/domain")
		})
	}
}
