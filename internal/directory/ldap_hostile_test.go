package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/settings"
)

// FuzzLoginFilter: whatever the address, a filter has the same shape, and the address is
// the value, to the octet; so it is with a DN.
func FuzzLoginFilter(f *testing.F) {
	for _, local := range []string{"alice", "*", "*)(uid=*", ")(|(uid=*))", "a\\2a", "a,ou=x", "#a", " a ", "a+cn=b", "a=b", "\"", "\x00", "ａlice", "al\u200bice", "%EMAILDOMAIN%", "ß", "<>;", "\\"} {
		f.Add(local)
	}
	const text = "(&(objectClass=user)(|(mail=" + settings.EmailAddress + ")(proxyAddresses=smtp:" + settings.EmailAddress + ")(uid=" + settings.EmailLocalPart + "))(associatedDomain=" + settings.EmailDomain + "))"
	filter, err := parseLoginFilter(text)
	if err != nil {
		f.Fatal(err)
	}
	base, err := parseBase("uid=" + settings.EmailLocalPart + "+mail=" + settings.EmailAddress + ",dc=example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, local string) {
		if local == "" {
			return
		}
		a := address.Address{Local: local, Domain: address.Domain{ASCII: "example.com", Unicode: "example.com"}}
		whole := local + "@example.com"

		got, err := ldap.CompileFilter(filter.fill(a, ldap.EscapeFilter))
		if err != nil {
			t.Fatal(err)
		}
		want := "and[objectClass=user or[mail=" + whole + " proxyAddresses=smtp:" + whole + " uid=" + local + "] associatedDomain=example.com]"
		if shape := shapeOf(got); shape != want {
			t.Errorf("%q\nwant %q", shape, want)
		}

		if strings.ToValidUTF8(local, "") != local || strings.Contains(local, "\ufffd") {
			return // no address
		}
		dn, err := ldap.ParseDN(base.fill(a, ldap.EscapeDN))
		if err != nil {
			t.Fatal(err)
		}
		if len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 2 || dn.RDNs[0].Attributes[0].Value != local || dn.RDNs[0].Attributes[1].Value != whole {
			t.Errorf("%q: %q", local, dn)
		}
	})
}

// shapeOf writes a compiled filter out; what is no equality, "and" or "or" it names as
// such.
func shapeOf(p *ber.Packet) string {
	var parts []string
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr:
		for _, c := range p.Children {
			parts = append(parts, shapeOf(c))
		}
		return map[ber.Tag]string{ldap.FilterAnd: "and", ldap.FilterOr: "or"}[p.Tag] + "[" + strings.Join(parts, " ") + "]"
	case ldap.FilterEqualityMatch:
		return p.Children[0].Data.String() + "=" + p.Children[1].Data.String()
	}
	return ldap.FilterMap[uint64(p.Tag)]
}

// hostileLocals are local parts that want to be somebody else's.
func hostileLocals(n int) []string {
	random := rand.New(rand.NewPCG(14, 1))
	parts := []string{"alice", "bob", "*", "(", ")", "*)(", ")(uid=*", "|", "&", "!", "=", `\`, `\2a`, `\00`, "'", `"`, "--", ";", ",", "+", "<", ">", "#", "%", "%EMAILADDRESS%", "$", "{", "}",
		"ａlice", "аlice", "ALİCE", "alıce", "aliⅽe", "alice\u200b", "\u00adalice", "alice\u0301", "ⓐlice", "ﬁ", "ß", "\U0001d41a", "\u202e", "\x00", "\r\n", " ", ".", "@"}
	out := []string{"alice", "ALICE", "bob", "*", "a*", "alice*", "al\\69ce", "ａlice", " alice", "alice ", "al\u00adice", "alice\u200b", "alice\ufe0f", "aliｃe", "bob\u0301", "bob)(|(uid=*)", "\\61lice"}
	for len(out) < n {
		var b strings.Builder
		for range 1 + random.IntN(4) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		out = append(out, b.String())
	}
	return out
}

// TestHostileAddresses: each finds nothing, or its own entry. They are put together past
// address.Parse, which refuses some.
func TestHostileAddresses(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: `dn: uid=alice,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: Alice
mail: alice@example.com
employeeNumber: 1

dn: uid=bob,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
mail: bob@example.com
employeeNumber: 2

`})
	owner := map[string]string{"alice": "1", "ALICE": "1", "bob": "2"}
	for _, tc := range []struct{ name, base, filter string }{
		{"the address, of ASCII", "", "(mail=" + settings.EmailAddress + ")"},
		{"the local part, of any letters", "", "(&(objectClass=inetOrgPerson)(uid=" + settings.EmailLocalPart + "))"},
		{"in the base", "uid=" + settings.EmailLocalPart + ",dc=example,dc=com", "(uid=" + settings.EmailLocalPart + ")"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := openLogins(t, config.Directory{Access: config.Access{DSN: readerDSN(server), Base: tc.base, Filter: tc.filter}, LoginAttribute: "employeeNumber", Connections: 2})
			own := 0
			for _, local := range hostileLocals(2000) {
				a := address.Address{Local: local, Domain: fixture.Domain(t, "example.com")}
				logins, err := l.login(t.Context(), a)
				if err != nil {
					t.Fatalf("%q: %v", local, err)
				}
				want := owner[local]
				switch {
				case want == "" && len(logins) > 0:
					t.Errorf("%q found %v", local, logins)
				case want != "" && !slices.Equal(logins, []Login{{Name: want}}):
					t.Errorf("%q found %v, want %s", local, logins, want)
				case want != "":
					own++
				}
			}
			if own < 3 {
				t.Errorf("%d found their own", own)
			}
		})
	}
}

// TestServersRulesSeeMoreAlike: without the look at what was found, others' entries would
// be: slapd takes full-width letters and spaces for the same (RFC 4518).
func TestServersRulesSeeMoreAlike(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: people})
	l := openLogins(t, config.Directory{Access: config.Access{DSN: readerDSN(server), Filter: "(uid=" + settings.EmailLocalPart + ")"}, LoginAttribute: "uid"})
	conn, base, err := l.slots[0].get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, local := range []string{"ａlice", "alice "} {
		a := address.Address{Local: local, Domain: fixture.Domain(t, "example.com")}
		result, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, l.filter.fill(a, ldap.EscapeFilter), nil, nil))
		if err != nil || len(result.Entries) != 1 {
			t.Errorf("%q: the server finds %v, %v", local, result.Entries, err)
		}
		if got, err := l.login(t.Context(), a); got != nil || err != nil {
			t.Errorf("%q: %v, %v", local, got, err)
		}
	}
}

// cable is a network between a client and a server that can be cut: then nothing arrives,
// and nobody is told.
type cable struct {
	net.Listener
	cut   atomic.Bool
	conns atomic.Int32 // that were made
}

func lay(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			c.conns.Add(1)
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go c.carry(near, far)
			go c.carry(far, near)
		}
	}()
	return c
}

// carry copies until one end is closed. What arrives while the cable is cut is lost, and
// the connection with it.
func (c *cable) carry(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if c.cut.Load() {
			io.Copy(io.Discard, from) // until it is hung up
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestLDAPNetworkIsCut: a look-up is back when its context ends, and finds again when the
// network is there again.
func TestLDAPNetworkIsCut(t *testing.T) {
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: people})
	network := lay(t, server.Addr)
	l := openLogins(t, config.Directory{Access: config.Access{DSN: strings.Replace(readerDSN(server), server.Addr, network.Addr().String(), 1), Preset: "openldap"}, Connections: 1})
	alice := fixture.Address(t, "alice@example.com")
	if got := loginOf(t, l, "alice@example.com"); got != "alice, Alice Example" {
		t.Fatal(got)
	}
	network.cut.Store(true)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if got, err := l.login(ctx, alice); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(got, err)
		}
		cancel()
	}
	network.cut.Store(false)
	fixture.Await(t, "it does not find again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got, err := l.login(ctx, alice)
		return err == nil && len(got) == 1
	})
}

// TestLDAPPool: many look-ups at once share few connections.
func TestLDAPPool(t *testing.T) {
	const addresses, clients, connections = 200, 64, 3
	var ldif strings.Builder
	for i := range addresses {
		fmt.Fprintf(&ldif, "dn: uid=u%d,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: U\nsn: U\nmail: a%[1]d@example.com\n\n", i)
	}
	server := fixture.Slapd(t, fixture.SlapdOptions{LDIF: ldif.String()})
	network := lay(t, server.Addr)
	l := openLogins(t, config.Directory{Access: config.Access{DSN: strings.Replace(readerDSN(server), server.Addr, network.Addr().String(), 1), Preset: "openldap"}, Connections: connections})
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for i := c % 7; i < addresses; i += 7 {
				got, err := l.login(t.Context(), fixture.Address(t, fmt.Sprintf("a%d@example.com", i)))
				if want := []Login{{Name: fmt.Sprintf("u%d", i), FullName: "U"}}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%d: %v, %v", i, got, err)
				}
			}
		})
	}
	wait.Wait()
	if n := network.conns.Load(); n != connections {
		t.Errorf("%d connections were made; %d are allowed", n, connections)
	}
}

// BenchmarkLDAPLogin is one look-up by each of 64 clients at once.
func BenchmarkLDAPLogin(b *testing.B) {
	server := fixture.Slapd(b, fixture.SlapdOptions{LDIF: people, Config: "index mail eq"})
	l := openLogins(b, config.Directory{Access: config.Access{DSN: readerDSN(server), Preset: "openldap"}, Connections: 4})
	alice := fixture.Address(b, "alice@example.com")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got, err := l.login(b.Context(), alice); err != nil || len(got) != 1 {
				b.Error(got, err)
			}
		}
	})
}
