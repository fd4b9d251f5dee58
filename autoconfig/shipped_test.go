package autoconfig_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/fixture"
	"milepost/settings"
)

const schemas = "../../shared/schemas/"

// exampleDomain returns a domain that a pattern serves.
func exampleDomain(t testing.TB, d settings.DomainPattern) address.Domain {
	t.Helper()
	if !d.Wildcard {
		return d.Domain
	}
	return fixture.Domain(t, strings.TrimSuffix("sub."+d.Domain.ASCII, "."))
}

// patterns are the domains that a provider serves, or else its MX hosts.
func patterns(p *settings.Provider) []settings.DomainPattern {
	if len(p.Domains) == 0 {
		return []settings.DomainPattern{{Wildcard: true, Domain: p.MX[0]}}
	}
	return p.Domains
}

// Every document that the shipped catalogue yields is valid: under the draft's
// grammar always, and under ours of what all clients accept, unless a provider
// has nothing but clear text or nothing but OAuth2.
func TestShippedDocumentsAreValid(t *testing.T) {
	dir := t.TempDir()
	var all, strict []string
	for _, p := range fixture.ShippedServers(t) {
		domains := patterns(p)
		lax := onlyClearTextOrOAuth2(p.Incoming) || onlyClearTextOrOAuth2(p.Outgoing)
		for i, d := range domains {
			for _, local := range []string{"", "fred.b", "0123", `<"&'>`, "]]>", "\ufffe\u202e"} {
				a := address.Address{Local: local, Domain: exampleDomain(t, d)}
				doc, err := autoconfig.Render(p.For(a))
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, fmt.Sprintf("%s-%d-%d.xml", p.ID, i, len(all)))
				all = append(all, fixture.Write(t, file, string(doc)))
				if !lax {
					strict = append(strict, file)
				}
			}
		}
		doc, err := autoconfig.RenderAll(p.For(address.Address{Domain: exampleDomain(t, domains[0])}))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture.Write(t, filepath.Join(dir, p.ID+"-all.xml"), string(doc)))
	}
	if n := len(strict); n < 4000 {
		t.Errorf("only %d documents for the strict grammar", n)
	}
	fixture.Validate(t, schemas+"autoconfig.rng", all)
	fixture.Validate(t, schemas+"autoconfig-strict.rng", strict)
}

func onlyClearTextOrOAuth2(servers []settings.Server) bool {
	for _, s := range servers {
		if s.SocketType.Encrypted() && s.TakesPassword() {
			return false
		}
	}
	return true
}

// Rendering the same twice gives the same bytes.
func TestRenderIsStable(t *testing.T) {
	for _, p := range fixture.ShippedServers(t) {
		a := address.Address{Local: "fred", Domain: exampleDomain(t, patterns(p)[0])}
		one, err := autoconfig.Render(p.For(a))
		if err != nil {
			t.Fatal(err)
		}
		two, err := autoconfig.Render(p.For(a))
		if err != nil || string(one) != string(two) {
			t.Errorf("%s differs: %v", p.ID, err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	a := fixture.Account(b, fixture.Shipped(b), "fred@orange.fr")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := autoconfig.Render(a); err != nil {
			b.Fatal(err)
		}
	}
}
