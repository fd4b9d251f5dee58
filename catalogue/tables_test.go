package catalogue_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/textfile"
	"milepost/settings"
)

// rows makes a table of "DOMAIN PROVIDER CHANGED" words, separated by commas.
func rows(name, s string) *catalogue.Table {
	return catalogue.NewTable(name, slices.Values(rowsOf(s)))
}

// Where only tables have domains, one of theirs can be tried.
func TestExampleOfTables(t *testing.T) {
	c, _, err := catalogue.New(t.Context(), catalogue.Input{
		Own:    []catalogue.Source{table{row(t, 1, "fed", "")}},
		Tables: []*catalogue.Table{rows("first", "a.example nobody 1, b.example fed 2")},
	})
	if got := c.Example("gmail.com"); err != nil || got != "b.example" {
		t.Errorf("%q, %v", got, err)
	}
}

// Files go before tables, a later table before an earlier one, both before what is
// shipped, and all before wildcards.
func TestTiers(t *testing.T) {
	c, warnings, err := catalogue.New(t.Context(), catalogue.Input{
		Shipped: table{row(t, 1, "shipped", "shipped.example both.example also.example")},
		Own:     []catalogue.Source{table{row(t, 1, "own", "own.example *.own.example"), row(t, 2, "fed", "")}},
		Tables: []*catalogue.Table{
			rows("first", "own.example fed 1, first.example fed 2, both.example fed 3, a.own.example fed 4, x.example nobody 5, y.example nobody 6, z.example shipped 7"),
			rows("second", "first.example own 7, x.example fed 8, first.other.example nobody 9"),
		},
	})
	const said = `first: domains of the provider "nobody" are left out (2): no provider file has that id
first: domains of the provider "shipped" are left out (1): it is a shipped one, and a provider file of your own is needed
first: domains of shipped providers are answered from here (1), both.example for one
second: domains of the provider "nobody" are left out (1): no provider file has that id`
	if err != nil || warnings.Error() != said {
		t.Fatalf("%v\n%s", err, warnings)
	}
	want := map[string]string{
		"own.example": "own", "first.example": "own row 7", "both.example": "fed row 3", "a.own.example": "fed row 4", "b.own.example": "own, not named",
		"x.example": "fed row 8", "y.example": "", "z.example": "", "shipped.example": "shipped", "also.example": "shipped", "first.other.example": "",
	}
	named := make(map[string]string)
	for name, want := range want {
		d := fixture.Domain(t, name)
		got := ""
		if p, ok := c.Lookup(d); ok {
			got = p.ID
		}
		p, ok := c.Named(d)
		if got != "" && !ok {
			got += ", not named"
		}
		if ok {
			named[name] = p.ID
		}
		claim, claimed := c.Claim(d)
		if claim.Row {
			if got += fmt.Sprint(" row ", claim.Changed); claim.Provider != p {
				t.Errorf("%s: %v and %v", name, claim, p)
			}
		}
		if claimed != (ok && p.ID != "shipped") {
			t.Errorf("%s: claimed %v", name, claimed)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	all := make(map[string]string)
	for d, p := range c.NamedDomains() {
		if _, twice := all[d.ASCII]; twice {
			t.Errorf("%s twice", d)
		}
		all[d.ASCII] = p.ID
	}
	if diff := cmp.Diff(named, all); diff != "" {
		t.Errorf("named domains (-found +listed)\n%s", diff)
	}
	maps.DeleteFunc(named, func(_, id string) bool { return id == "shipped" })
	claims := make(map[string]string)
	for d, claim := range c.Claims() {
		claims[d.ASCII] = claim.Provider.ID
	}
	if diff := cmp.Diff(named, claims); diff != "" {
		t.Errorf("claims (-found +listed)\n%s", diff)
	}
	if n := c.Domains(); n != 11 { // own.example and first.example count twice, with the wildcard
		t.Errorf("%d domains", n)
	}
}

// A belonging makes a provider once; that is the same in the next catalogue.
func TestVariants(t *testing.T) {
	at := row(t, 1, "at", "", "mx.example.net")
	at.Provider.DisplayName, at.Provider.ShortName = "Example", "Ex"
	at.Provider.Incoming = []settings.Server{{Hostname: settings.MXHost}, {Hostname: "imap.example.net"}}
	plain := row(t, 2, "plain", "")
	plain.Provider.DisplayName = "Plain"
	source := table{at, plain}
	first := catalogue.NewTable("sql", slices.Values([]catalogue.Row{
		{Domain: fixture.Domain(t, "a.example"), Belonging: catalogue.Belonging{Provider: "at", Host: "a.mx.example.net"}},
		{Domain: fixture.Domain(t, "b.example"), Belonging: catalogue.Belonging{Provider: "at", Host: "b.mx.example.net", Name: "A Name of More than Twenty"}},
		{Domain: fixture.Domain(t, "c.example"), Belonging: catalogue.Belonging{Provider: "at", Host: "a.mx.example.net", Name: "Example"}},
		{Domain: fixture.Domain(t, "d.example"), Belonging: catalogue.Belonging{Provider: "plain", Host: "a.mx.example.net"}},
	}))
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Own: []catalogue.Source{source}, Tables: []*catalogue.Table{first}})
	if err != nil {
		t.Fatal(err)
	}
	of := func(c *catalogue.Catalogue, d string) *settings.Provider {
		p, ok := c.Lookup(fixture.Domain(t, d))
		if !ok {
			t.Fatal("no", d)
		}
		return p
	}
	for d, want := range map[string]string{
		"a.example": "Example, Ex, a.mx.example.net imap.example.net",
		"b.example": "A Name of More than Twenty, A Name of More than, b.mx.example.net imap.example.net",
		"d.example": "Plain, ,",
	} {
		p := of(c, d)
		got := p.DisplayName + ", " + p.ShortName + ","
		for _, s := range p.Incoming {
			got += " " + string(s.Hostname)
		}
		if got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
	if of(c, "a.example") != of(c, "c.example") {
		t.Error("what differs in nothing has two variants")
	}
	if of(c, "d.example") != plain.Provider {
		t.Error("a host that stands nowhere makes a variant")
	}
	var names []string
	for name := range c.Variants() {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, "|"); got != "at|at a.mx.example.net|at b.mx.example.net A Name of More than Twenty|plain" {
		t.Error(got)
	}
	next, warnings := c.With([]*catalogue.Table{first.With([]catalogue.Change{
		{Row: catalogue.Row{Domain: fixture.Domain(t, "e.example"), Belonging: catalogue.Belonging{Provider: "at", Host: "a.mx.example.net"}}},
		{Row: catalogue.Row{Domain: fixture.Domain(t, "b.example")}, Gone: true},
	})})
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	if of(next, "e.example") != of(c, "a.example") || of(next, "a.example") != of(c, "a.example") {
		t.Error("the next catalogue has other variants")
	}
	if n := len(maps.Collect(next.Variants())); n != 4 { // one is left over, and may come back
		t.Errorf("%d variants", n)
	}
	if since, ok := next.VariantsSince(c); !ok || len(maps.Collect(since)) > 0 {
		t.Error("there are none since")
	}
	last, _ := next.With([]*catalogue.Table{first.With([]catalogue.Change{
		{Row: catalogue.Row{Domain: fixture.Domain(t, "f.example"), Belonging: catalogue.Belonging{Provider: "at", Host: "f.mx.example.net"}}}})})
	if since, ok := last.VariantsSince(c); !ok || maps.Collect(since)["at f.mx.example.net"] != of(last, "f.example") {
		t.Error("there is one since")
	}
	if other, _ := next.With([]*catalogue.Table{rows("sql", "g.example plain 1")}); other == nil {
		t.Fatal("no catalogue")
	} else if _, ok := other.VariantsSince(c); ok || len(maps.Collect(other.Variants())) != 2 {
		t.Error("another table's variants follow from the ones before")
	}
}

// A catalogue with other tables answers as one that was built with them, and none of it
// allocates.
func TestWithEqualsNew(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	source := func() catalogue.Source {
		a, b := row(t, 1, "a", "d1.example d2.example *.d3.example", "mx.example"), row(t, 2, "b", "")
		b.Provider.Incoming = []settings.Server{{Hostname: settings.MXHost}}
		return table{a, b}
	}
	shipped := table{row(t, 1, "s", "d4.example d5.example")}
	randomRow := func() catalogue.Row {
		return catalogue.Row{
			Domain: address.Domain{ASCII: fmt.Sprintf("d%d.example", random.IntN(40)), Unicode: ""},
			Belonging: catalogue.Belonging{Provider: []string{"a", "b", "nobody"}[random.IntN(3)],
				Host: []settings.Hostname{"", "h1.mx.example", "h2.mx.example"}[random.IntN(3)], Name: []string{"", "N"}[random.IntN(2)]},
			Changed: uint32(random.IntN(100)),
		}
	}
	tables := []*catalogue.Table{rows("one", "d1.example b 1"), rows("two", "d7.example a 1")}
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Shipped: shipped, Own: []catalogue.Source{source()}, Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		var changes []catalogue.Change
		for range random.IntN(8) {
			changes = append(changes, catalogue.Change{Row: randomRow(), Gone: random.IntN(3) == 0})
		}
		i := random.IntN(2)
		tables = slices.Clone(tables)
		tables[i] = tables[i].With(changes)
		c, _ = c.With(tables)
		anew, _, err := catalogue.New(t.Context(), catalogue.Input{Shipped: shipped, Own: []catalogue.Source{source()}, Tables: tables, Fed: func(string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		if again, said := anew.With(tables); len(said) > 0 || again.Domains() != anew.Domains() {
			t.Fatalf("the same tables again: %d domains, and %v", again.Domains(), said)
		}
		for n := range 41 {
			for _, d := range []address.Domain{{ASCII: fmt.Sprintf("d%d.example", n)}, {ASCII: fmt.Sprintf("x.d%d.example", n)}} {
				p, ok := c.Lookup(d)
				q, okAnew := anew.Lookup(d)
				if ok != okAnew || ok && cmp.Diff(p, q) != "" {
					t.Fatalf("%s: %v, anew %v", d.ASCII, p, q)
				}
				one, _ := c.Claim(d)
				two, _ := anew.Claim(d)
				if one.Row != two.Row || one.Changed != two.Changed {
					t.Fatalf("%s: %v, anew %v", d.ASCII, one, two)
				}
			}
		}
		if c.Domains() != anew.Domains() {
			t.Fatalf("%d domains, anew %d", c.Domains(), anew.Domains())
		}
		list := func(c *catalogue.Catalogue) map[string]string {
			all := make(map[string]string)
			for d, p := range c.NamedDomains() {
				all[d.ASCII] = p.ID + p.DisplayName
			}
			return all
		}
		if diff := cmp.Diff(list(c), list(anew)); diff != "" {
			t.Fatal(diff)
		}
	}
	d := address.Domain{ASCII: "d7.example"}
	if n := testing.AllocsPerRun(100, func() { c.Lookup(d); c.Named(d); c.Claim(d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A provider may be without domains if a table, or a source that will make one, has some.
func TestBare(t *testing.T) {
	source := table{row(t, 1, "bare", "")}
	source[0].Bare = textfile.Error{File: "bare.toml", Line: 1, Key: "domains", Err: errors.New("is missing")}
	for _, tc := range []struct {
		name  string
		input catalogue.Input
		ok    bool
	}{
		{"no table", catalogue.Input{}, false},
		{"another's table", catalogue.Input{Tables: []*catalogue.Table{rows("sql", "a.example other 1")}}, false},
		{"its table", catalogue.Input{Tables: []*catalogue.Table{rows("sql", "a.example bare 1")}}, true},
		{"a table that is empty as yet", catalogue.Input{Fed: func(id string) bool { return id == "bare" }}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.input.Own = []catalogue.Source{source}
			if _, _, err := catalogue.New(t.Context(), tc.input); (err == nil) != tc.ok || err != nil && err.Error() != "bare.toml:1: domains: is missing" {
				t.Error(err)
			}
		})
	}
}
