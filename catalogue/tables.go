package catalogue

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/settings"
)

// tier is a table with the provider of each of its belongings.
type tier struct {
	*Table
	providers []*settings.Provider // nil: no file has it
	known     int                  // domains whose provider is not nil
}

// provider returns whose domain it is; nil: nobody's.
func (t *tier) provider(d string) (*settings.Provider, member) {
	m, ok := t.find(d)
	if !ok {
		return nil, m
	}
	return t.providers[m.belonging-1], m
}

// With makes the catalogue that has these tables, and all else of this one. A provider
// that a belonging makes is the same in both. It costs what the belongings cost, however
// many domains there are. A warning counts the rows whose provider is none of the admin's
// own.
func (c *Catalogue) With(tables []*Table) (*Catalogue, textfile.Errors) {
	next := *c
	next.tables, next.variants = nil, make(map[Belonging]*settings.Provider, len(c.variants))
	var warnings textfile.Errors
	for _, t := range tables {
		of := tier{Table: t, providers: make([]*settings.Provider, len(t.belongings))}
		unknown := make(map[string]int)
		for i, b := range t.belongings {
			switch n := t.counts[i]; {
			case n == 0:
			case c.own.providers[b.Provider] == nil:
				unknown[b.Provider] += n
			default:
				of.providers[i] = next.variant(c, b)
				of.known += n
			}
		}
		next.tables = append(next.tables, of)
		warnings = append(warnings, c.unknown(t.name, unknown)...)
	}
	return &next, warnings
}

// unknown warns of providers that rows name and no file has, with the number of their rows.
func (c *Catalogue) unknown(table string, ids map[string]int) textfile.Errors {
	var warnings textfile.Series
	byRows := func(a, b string) int { return cmp.Or(ids[b]-ids[a], strings.Compare(a, b)) }
	for _, id := range slices.SortedFunc(maps.Keys(ids), byRows) {
		warnings.Add(textfile.Error{File: table}, func() error {
			why := "no provider file has that id"
			if slices.ContainsFunc(c.providers, func(p *settings.Provider) bool { return p.ID == id }) {
				why = "it is a shipped one, and a provider file of your own is needed"
			}
			return fmt.Errorf("domains of the provider %q are left out (%d): %s", id, ids[id], why)
		})
	}
	return warnings.Errors()
}

// variant returns the provider as the domains of a belonging have it. The catalogue
// before has it perhaps.
func (c *Catalogue) variant(before *Catalogue, b Belonging) *settings.Provider {
	p := c.own.providers[b.Provider]
	if b = b.differing(p); b == (Belonging{Provider: p.ID}) {
		return p
	}
	v := before.variants[b]
	if v == nil {
		if v = c.variants[b]; v == nil {
			v = b.of(p)
		}
	}
	c.variants[b] = v
	return v
}

func atMXHost(s settings.Server) bool { return s.Hostname == settings.MXHost }

// differing is a belonging without what makes no difference to its provider.
func (b Belonging) differing(p *settings.Provider) Belonging {
	if !slices.ContainsFunc(p.Incoming, atMXHost) && !slices.ContainsFunc(p.Outgoing, atMXHost) && !slices.ContainsFunc(p.Setup, atMXHost) {
		b.Host = ""
	}
	if b.Name == p.DisplayName {
		b.Name = ""
	}
	return b
}

// maxShortName is how many characters a provider's short name may have.
const maxShortName = 20

// of makes the variant of a provider.
func (b Belonging) of(p *settings.Provider) *settings.Provider {
	v := *p
	if b.Name != "" {
		v.DisplayName, v.ShortName = b.Name, b.Name
		if utf8.RuneCountInString(b.Name) > maxShortName {
			v.ShortName = strings.TrimSpace(string([]rune(b.Name)[:maxShortName]))
		}
	}
	if b.Host != "" {
		v.Incoming, v.Outgoing, v.Setup = b.atHost(p.Incoming), b.atHost(p.Outgoing), b.atHost(p.Setup)
	}
	return &v
}

func (b Belonging) atHost(servers []settings.Server) []settings.Server {
	servers = slices.Clone(servers)
	for i := range servers {
		if atMXHost(servers[i]) {
			servers[i].Hostname = b.Host
		}
	}
	return servers
}

// named finds the provider that names a domain.
func (c *Catalogue) named(d string) *settings.Provider {
	if p := c.own.domains[d]; p != nil {
		return p
	}
	if p, _ := c.inTables(d); p != nil {
		return p
	}
	return c.shipped[d]
}

// inTables finds a domain in the last table that has it.
func (c *Catalogue) inTables(d string) (*settings.Provider, member) {
	for i := len(c.tables) - 1; i >= 0; i-- {
		if p, m := c.tables[i].provider(d); p != nil {
			return p, m
		}
	}
	return nil, member{}
}

// Claim says how one of the admin's own providers has a domain.
type Claim struct {
	Provider *settings.Provider
	Row      bool   // a row of a table says so, and not a file
	Changed  uint32 // when the row changed, as [Row] has it
}

// Claim finds the own provider that names the domain itself, as [Catalogue.Named] does.
// It does not allocate.
func (c *Catalogue) Claim(d address.Domain) (Claim, bool) {
	if p := c.own.domains[d.ASCII]; p != nil {
		return Claim{Provider: p}, true
	}
	p, m := c.inTables(d.ASCII)
	if p == nil {
		return Claim{}, false
	}
	return Claim{Provider: p, Row: true, Changed: m.changed}, true
}

// Claims yields every domain that an own provider names, each once: those of files in the
// order of the providers' IDs, then those of tables in no order.
func (c *Catalogue) Claims() iter.Seq2[address.Domain, Claim] {
	return func(yield func(address.Domain, Claim) bool) {
		for _, p := range c.Own() {
			for _, d := range p.Domains {
				if !d.Wildcard && !yield(d.Domain, Claim{Provider: p}) {
					return
				}
			}
		}
		for d, claim := range c.Rows() {
			if !yield(d, claim) {
				return
			}
		}
	}
}

// Rows yields those of the [Catalogue.Claims] that stand in tables.
func (c *Catalogue) Rows() iter.Seq2[address.Domain, Claim] {
	return func(yield func(address.Domain, Claim) bool) {
		for i := range c.tables {
			later := Catalogue{own: c.own, tables: c.tables[i+1:]}
			for r, m := range c.tables[i].members() {
				p := c.tables[i].providers[m.belonging-1]
				if p == nil {
					continue
				}
				d := address.Domain{ASCII: r, Unicode: r}
				if _, elsewhere := later.Claim(d); elsewhere {
					continue
				}
				if !yield(d, Claim{Provider: p, Row: true, Changed: m.changed}) {
					return
				}
			}
		}
	}
}

// NamedDomains yields every domain that is named, each once, with the provider that names
// it: those of files in the order of the providers' IDs, then those of tables in no order.
// Which domains match a wildcard is not known.
func (c *Catalogue) NamedDomains() iter.Seq2[address.Domain, *settings.Provider] {
	return func(yield func(address.Domain, *settings.Provider) bool) {
		for _, p := range c.providers {
			for _, d := range p.Domains {
				if !d.Wildcard && c.named(d.Domain.ASCII) == p && !yield(d.Domain, p) {
					return
				}
			}
		}
		for d, claim := range c.Rows() {
			if !yield(d, claim.Provider) {
				return
			}
		}
	}
}

// Variants yields the admin's own providers: as their files have them, by ID, and as the
// domains of a table have them. Each has a name that it has in every catalogue.
func (c *Catalogue) Variants() iter.Seq2[string, *settings.Provider] {
	return func(yield func(string, *settings.Provider) bool) {
		for id, p := range c.own.providers {
			if !yield(id, p) {
				return
			}
		}
		for b, p := range c.variants {
			if !yield(b.String(), p) {
				return
			}
		}
	}
}

// String names what domains belong to. No two have one name: an ID and a host have no
// space, and a provider's own name comes last.
func (b Belonging) String() string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s", b.Provider, b.Host, b.Name), " ")
}

// takenOver warns of domains that tables have taken from shipped providers.
func (c *Catalogue) takenOver() textfile.Errors {
	taken := make(map[string]int)
	example := make(map[string]string)
	for d := range c.shipped {
		for i := len(c.tables) - 1; i >= 0; i-- {
			if p, _ := c.tables[i].provider(d); p != nil {
				name := c.tables[i].name
				taken[name]++
				if example[name] == "" || d < example[name] {
					example[name] = d
				}
				break
			}
		}
	}
	var warnings textfile.Errors
	for name, n := range taken {
		warnings = append(warnings, textfile.Error{File: name, Err: fmt.Errorf(
			"domains of shipped providers are answered from here (%d), %s for one", n, example[name])})
	}
	return warnings
}
