package zoneformat_test

import (
	"encoding/json"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/zoneformat"
	"milepost/zone"
)

// asked is what a page asks for: a domain's records, with the options of the page.
type asked struct {
	Options   zone.Options
	Authority zone.Authority
	domains   []zoneformat.Domain
}

func read(t *testing.T, p *fixture.Page) asked {
	t.Helper()
	var a asked
	if options, ok := p.Text("options.json"); ok {
		if err := json.Unmarshal([]byte(options), &a); err != nil {
			t.Fatal(err)
		}
	}
	a.Authority.Serial = 1
	for _, provider := range fixture.Catalogue(t, p.List()...).Providers() {
		for _, d := range provider.Domains {
			a.domains = append(a.domains, zoneformat.Domain{Domain: d.Domain, Records: zone.Records(provider, d.Domain, a.Options)})
		}
	}
	return a
}

// domains are those of a page.
func domains(t *testing.T, name string) []zoneformat.Domain {
	t.Helper()
	return read(t, fixture.ReadPage(t, "testdata/"+name+".txtar")).domains
}

// TestPages renders the provider file of each page in every format.
func TestPages(t *testing.T) {
	fixture.Pages(t, "testdata/*.txtar", func(t *testing.T, p *fixture.Page) {
		a := read(t, p)
		for _, f := range zoneformat.Formats {
			got, err := zoneformat.Render(f, a.domains, a.Authority)
			if err != nil {
				t.Fatal(err)
			}
			p.Expect(t, string(f), string(got))
		}
	})
}

func TestParseFormat(t *testing.T) {
	for _, f := range zoneformat.Formats {
		if got, err := zoneformat.ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %q, %v", f, got, err)
		}
	}
	_, err := zoneformat.ParseFormat("xml")
	if want := "is unknown; zone, json, nsupdate, terraform, octodns are allowed"; err == nil || err.Error() != want {
		t.Errorf("%v, not %s", err, want)
	}
}
