package autoconfig_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/providerfile"
	"milepost/settings"
)

const schemas = "../../shared/schemas/"

func shipped(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, _, err := providerfile.Load(providerfile.Directory{FS: data.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exampleDomain returns a domain that a pattern serves.
func exampleDomain(t testing.TB, d settings.DomainPattern) address.Domain {
	t.Helper()
	if !d.Wildcard {
		return d.Domain
	}
	sub, err := address.ParseDomain(strings.TrimSuffix("sub."+d.Domain.ASCII, "."))
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// Every document that the shipped catalogue yields is valid: under the draft's
// grammar always, and under ours of what all clients accept, unless a provider
// has nothing but clear text or nothing but OAuth2.
func TestShippedDocumentsAreValid(t *testing.T) {
	dir := t.TempDir()
	var all, strict []string
	for _, p := range shipped(t).Providers() {
		domains := p.Domains
		if len(domains) == 0 {
			domains = []settings.DomainPattern{{Domain: p.MX[0]}}
		}
		lax := onlyClearTextOrOAuth2(p.Incoming) || onlyClearTextOrOAuth2(p.Outgoing)
		for i, d := range domains {
			for _, local := range []string{"", "fred.b", "0123", `<"&'>`, "]]>", "\ufffe\u202e"} {
				a := address.Address{Local: local, Domain: exampleDomain(t, d)}
				doc, err := autoconfig.Render(p.For(a))
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, fmt.Sprintf("%s-%d-%d.xml", p.ID, i, len(all)))
				if err := os.WriteFile(file, doc, 0o600); err != nil {
					t.Fatal(err)
				}
				all = append(all, file)
				if !lax {
					strict = append(strict, file)
				}
			}
		}
		doc, err := autoconfig.RenderAll(p.For(address.Address{Domain: exampleDomain(t, domains[0])}))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, p.ID+"-all.xml")
		if err := os.WriteFile(file, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	if n := len(strict); n < 4000 {
		t.Errorf("only %d documents for the strict grammar", n)
	}
	for _, check := range []struct {
		schema string
		files  []string
	}{{"autoconfig.rng", all}, {"autoconfig-strict.rng", strict}} {
		for _, tool := range [][]string{{"xmllint", "--noout", "--relaxng"}, {"jing"}} {
			t.Run(tool[0]+" "+check.schema, func(t *testing.T) {
				path, err := exec.LookPath(tool[0])
				if err != nil {
					t.Skipf("%s is not installed", tool[0])
				}
				if _, err := os.Stat(schemas + check.schema); err != nil {
					t.Skipf("the grammars are not here: %v", err)
				}
				args := append(append(tool[1:len(tool):len(tool)], schemas+check.schema), check.files...)
				out, err := exec.Command(path, args...).CombinedOutput()
				if err != nil {
					var bad []string
					for line := range strings.Lines(string(out)) {
						if !strings.HasSuffix(line, " validates\n") && len(bad) < 20 {
							bad = append(bad, line)
						}
					}
					t.Errorf("%v\n%s", err, strings.Join(bad, ""))
				}
			})
		}
	}
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
	for _, p := range shipped(t).Providers() {
		a := address.Address{Local: "fred", Domain: exampleDomain(t, append(p.Domains, settings.DomainPattern{Domain: address.Domain{ASCII: "example.com"}})[0])}
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
	a, err := address.Parse("fred@orange.fr")
	if err != nil {
		b.Fatal(err)
	}
	p, _ := shipped(b).Lookup(a.Domain)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := autoconfig.Render(p.For(a)); err != nil {
			b.Fatal(err)
		}
	}
}
