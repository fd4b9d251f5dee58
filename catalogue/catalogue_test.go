package catalogue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/textfile"
	"milepost/settings"
)

// table is a source in memory. As in a database, rows have numbers and no file.
type table []catalogue.Entry

func (t table) Load(context.Context) (entries []catalogue.Entry, warnings, mistakes textfile.Errors) {
	return t, nil, nil
}

// row is the number-th provider of a table, for domains separated by spaces.
func row(t testing.TB, number int, id, domains string, mx ...string) catalogue.Entry {
	t.Helper()
	p := &settings.Provider{ID: id}
	for d := range strings.FieldsSeq(domains) {
		name, wildcard := strings.CutPrefix(d, "*")
		pattern := settings.DomainPattern{Wildcard: wildcard}
		if name != "" {
			pattern.Domain = fixture.Domain(t, strings.TrimPrefix(name, "."))
		}
		p.Domains = append(p.Domains, pattern)
	}
	for _, d := range mx {
		p.MX = append(p.MX, fixture.Domain(t, d))
	}
	return catalogue.Entry{Provider: p, File: "sql:providers", Line: number}
}

// withList adds a list of domains to an entry, one a line.
func withList(t testing.TB, e catalogue.Entry, domains string) catalogue.Entry {
	e.List.File = "sql:domains"
	for i, d := range strings.Fields(domains) {
		e.Provider.Domains = append(e.Provider.Domains, settings.DomainPattern{Domain: fixture.Domain(t, d)})
		e.List.Lines = append(e.List.Lines, int32(i+1))
	}
	return e
}

func load(t testing.TB, shipped catalogue.Source, own ...catalogue.Source) *catalogue.Catalogue {
	t.Helper()
	c, warnings, err := catalogue.New(t.Context(), catalogue.Input{Shipped: shipped, Own: own})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return c
}

func TestLookup(t *testing.T) {
	c := load(t, nil, table{
		row(t, 1, "exact", "a.b.example.com example.com"),
		row(t, 2, "short", "*.example.com"),
		row(t, 3, "long", "*.b.example.com"),
		row(t, 4, "mx", "hoster.example", "mx.hoster.example", "com.example"),
		row(t, 5, "default", "*"),
	})
	for _, tc := range []struct{ name, domain, want string }{
		{"exact", "example.com", "exact"},
		{"exact before wildcard", "a.b.example.com", "exact"},
		{"longest wildcard", "x.b.example.com", "long"},
		{"longest wildcard, deep", "y.x.b.example.com", "long"},
		{"a wildcard is not its own domain", "b.example.com", "short"},
		{"wildcard, deep", "y.x.example.com", "short"},
		{"MX domain", "mx.hoster.example", "mx"},
		{"below an MX domain", "in1.mx.hoster.example", "mx"},
		{"default", "example.org", "default"},
		{"a suffix that is no label", "notexample.com", "default"},
		{"one label", "localhost", "default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, ok := c.Lookup(fixture.Domain(t, tc.domain))
			if !ok || p.ID != tc.want {
				t.Errorf("%s: %v", tc.domain, p)
			}
			if p, ok := c.LookupWithoutDefault(fixture.Domain(t, tc.domain)); ok != (tc.want != "default") || ok && p.ID != tc.want {
				t.Errorf("%s without default: %v", tc.domain, p)
			}
		})
	}
}

// A later directory replaces providers by id and takes domains over.
func TestLayers(t *testing.T) {
	c, warnings, err := catalogue.New(t.Context(), catalogue.Input{
		Shipped: table{row(t, 1, "a", "a.example both.example *.a.example *"), row(t, 2, "b", "b.example")},
		Own: []catalogue.Source{
			table{row(t, 1, "b", "b2.example"), row(t, 2, "c", "both.example *.a.example *")},
			table{row(t, 1, "d", "d.example")},
		}})
	const said = `sql:providers:2: domains: both.example is answered from here, and not from the shipped provider a
sql:providers:2: domains: *.a.example is answered from here, and not from the shipped provider a
sql:providers:2: domains: * is answered from here, and not from the shipped provider a`
	if err != nil || warnings.Error() != said {
		t.Fatalf("%v\n%s", err, warnings)
	}
	for name, want := range map[string]string{
		"a.example": "a", "both.example": "c", "x.a.example": "c", "elsewhere.example": "c", "b2.example": "b", "b.example": "c", "d.example": "d",
	} {
		if p, ok := c.Lookup(fixture.Domain(t, name)); !ok || p.ID != want {
			t.Errorf("%s: %v", name, p)
		}
	}
	var got []string
	for _, p := range c.Providers() {
		for _, d := range p.Domains {
			got = append(got, p.ID+" "+d.String())
		}
	}
	if diff := cmp.Diff([]string{"a a.example", "b b2.example", "c both.example", "c *.a.example", "c *", "d d.example"}, got); diff != "" {
		t.Errorf("domains (-want +got)\n%s", diff)
	}
	if c.Domains() != 6 {
		t.Errorf("%d domains", c.Domains())
	}
	var own []string
	for _, p := range c.Own() {
		own = append(own, p.ID)
	}
	if diff := cmp.Diff([]string{"b", "c", "d"}, own); diff != "" {
		t.Errorf("own (-want +got)\n%s", diff)
	}
}

// A file or a row of providers may claim what no other of its source has; of a
// list only the line is lost. A list that a later source replaces is gone.
func TestClaims(t *testing.T) {
	one, two := row(t, 1, "one", "one.example"), row(t, 2, "two", "two.example")
	c, warnings, err := catalogue.New(t.Context(), catalogue.Input{
		Shipped: table{withList(t, row(t, 1, "replaced", ""), "replaced.example"), withList(t, row(t, 2, "kept", ""), "kept.example later.example")},
		Own:     []catalogue.Source{table{row(t, 1, "replaced", "later.example"), withList(t, one, "a.example two.example a.example"), two}}})
	want := `sql:domains:2: two.example is claimed at sql:providers:2 already; the line is left out
sql:domains:3: a.example is claimed at sql:domains:1 already; the line is left out
sql:providers:1: domains: later.example is answered from here, and not from the shipped provider kept`
	if err != nil || warnings.Error() != want {
		t.Fatalf("%v\n%s\nwant %s", err, warnings, want)
	}
	if diff := cmp.Diff([]catalogue.ListSize{{File: "sql:domains", Domains: 1, Dropped: 2}, {File: "sql:domains", Domains: 2}}, c.Lists()); diff != "" {
		t.Errorf("lists (-want +got)\n%s", diff)
	}
	if got := one.Provider.Domains; len(got) != 2 || got[1].String() != "a.example" {
		t.Errorf("domains %v", got)
	}
}

func TestMistakes(t *testing.T) {
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Own: []catalogue.Source{table{
		row(t, 1, "one", "one.example", "mx.example"),
		row(t, 2, "one", ""),
		row(t, 3, "three", "one.example three.example three.example *", "mx.example"),
		row(t, 4, "four", "*"),
	}}})
	errs, _ := errors.AsType[textfile.Errors](err)
	want := `sql:providers:2: id: "one" is the id of sql:providers too; each provider needs its own
sql:providers:3: domains: one.example is claimed at sql:providers:1 already; a domain belongs to one provider
sql:providers:3: domains: three.example is claimed at sql:providers:3 already; a domain belongs to one provider
sql:providers:3: mx: mx.example is claimed at sql:providers:1 already; an MX domain belongs to one provider
sql:providers:4: domains: * is claimed at sql:providers:3 already; a domain belongs to one provider`
	if c != nil || errs.Error() != want {
		t.Errorf("%v\n%s", c, errs)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	c := load(t, nil, table{row(t, 1, "a", "example.com *.example.org")})
	domains := []address.Domain{fixture.Domain(t, "example.com"), fixture.Domain(t, "a.b.example.org"), fixture.Domain(t, "example.net")}
	if n := testing.AllocsPerRun(100, func() {
		for _, d := range domains {
			c.Lookup(d)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
