package catalogue

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"milepost/address"
	"milepost/internal/layered"
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

// variants are what the tables have made of the admin's own providers.
type variants struct {
	byBelonging layered.Map[Belonging, *settings.Provider]
	made        *made
	count       int // of those in made
}

// made is shared by catalogues of which the later ones have all variants of the earlier
// ones.
type made struct {
	mu  sync.Mutex
	all []variant
}

type variant struct {
	Belonging
	*settings.Provider
}

// With makes the catalogue that has these tables, and all else of this one. A provider
// that a belonging makes is the same in both. It costs what the belongings cost: a look at
// each, and if the tables follow from this one's by changes, no more than that but for the
// new ones; never what the domains would. A warning counts the rows whose provider is none of the admin's own,
// unless this catalogue has such rows already.
func (c *Catalogue) With(tables []*Table) (*Catalogue, textfile.Errors) {
	next := *c
	next.tables, next.unknown = make([]tier, len(tables)), make(map[unknown]int)
	follows := len(tables) == len(c.tables)
	for i := range tables {
		follows = follows && tables[i].order == c.tables[i].order
	}
	if !follows {
		next.variants = variants{made: new(made)}
	}
	added := make(map[Belonging]*settings.Provider)
	for i, t := range tables {
		of := tier{Table: t}
		if follows {
			of.providers = slices.Clip(c.tables[i].providers)
		}
		for _, b := range t.belongings[len(of.providers):] {
			of.providers = append(of.providers, next.variant(c, added, b))
		}
		for i, n := range t.counts {
			if of.providers[i] != nil {
				of.known += int(n)
			} else if n > 0 {
				next.unknown[unknown{t.name, t.belongings[i].Provider}] += int(n)
			}
		}
		next.tables[i] = of
	}
	next.variants = next.variants.with(added)
	return &next, next.warnings(c)
}

// with enters variants.
func (v variants) with(added map[Belonging]*settings.Provider) variants {
	if len(added) == 0 {
		return v
	}
	v.byBelonging = v.byBelonging.With(added)
	v.made.mu.Lock()
	defer v.made.mu.Unlock()
	if len(v.made.all) != v.count { // another catalogue follows from the same one
		v.made = &made{all: slices.Clone(v.made.all[:v.count])}
	}
	for b, p := range added {
		v.made.all = append(v.made.all, variant{b, p})
	}
	v.count = len(v.made.all)
	return v
}

// since yields the variants behind a number of them.
func (v variants) since(count int) []variant {
	v.made.mu.Lock()
	defer v.made.mu.Unlock()
	return v.made.all[count:v.count:v.count]
}

// unknown is a provider that rows name and no file of the admin's has.
type unknown struct{ table, provider string }

// warnings are of those that the catalogue before did not have, with the number of their
// rows.
func (c *Catalogue) warnings(before *Catalogue) textfile.Errors {
	var warnings textfile.Series
	byRows := func(a, b unknown) int {
		return cmp.Or(strings.Compare(a.table, b.table), c.unknown[b]-c.unknown[a], strings.Compare(a.provider, b.provider))
	}
	for _, u := range slices.SortedFunc(maps.Keys(c.unknown), byRows) {
		if before.unknown[u] > 0 {
			continue
		}
		warnings.Add(textfile.Error{File: u.table}, func() error {
			why := "no provider file has that id"
			if slices.ContainsFunc(c.providers, func(p *settings.Provider) bool { return p.ID == u.provider }) {
				why = "it is a shipped one, and a provider file of your own is needed"
			}
			return fmt.Errorf("domains of the provider %q are left out (%d): %s", u.provider, c.unknown[u], why)
		})
	}
	return warnings.Errors()
}

// variant returns the provider as the domains of a belonging have it; nil: no file has it.
// The catalogue before has it perhaps, or it was added already.
func (c *Catalogue) variant(before *Catalogue, added map[Belonging]*settings.Provider, b Belonging) *settings.Provider {
	p := c.own.providers[b.Provider]
	if p == nil {
		return nil
	}
	if b = b.differing(p); b == (Belonging{Provider: p.ID}) {
		return p
	}
	if v, ok := c.variants.byBelonging.Get(b); ok {
		return v
	}
	v := added[b]
	if v == nil {
		if v, _ = before.variants.byBelonging.Get(b); v == nil {
			v = b.of(p)
		}
		added[b] = v
	}
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

// HasRows tells whether domains in tables have a provider as it is, and no variant of it.
func (c *Catalogue) HasRows(p *settings.Provider) bool {
	return slices.ContainsFunc(c.tables, func(t tier) bool { return slices.Contains(t.providers, p) })
}

// Latest is a time that no row's is after, in seconds; see [Table.Latest].
func (c *Catalogue) Latest() (at uint32) {
	for _, t := range c.tables {
		at = max(at, t.latest)
	}
	return at
}

// Variants yields the admin's own providers: as their files have them, by ID, and as the
// domains of a table have them, or had them. Each has a name that it has in every
// catalogue.
func (c *Catalogue) Variants() iter.Seq2[string, *settings.Provider] {
	return func(yield func(string, *settings.Provider) bool) {
		for id, p := range c.own.providers {
			if !yield(id, p) {
				return
			}
		}
		for _, v := range c.variants.since(0) {
			if !yield(v.String(), v.Provider) {
				return
			}
		}
	}
}

// VariantsSince yields those that an earlier catalogue does not have; false: that is not
// known.
func (c *Catalogue) VariantsSince(earlier *Catalogue) (iter.Seq2[string, *settings.Provider], bool) {
	if c.own != earlier.own || c.variants.made != earlier.variants.made || c.variants.count < earlier.variants.count {
		return nil, false
	}
	return func(yield func(string, *settings.Provider) bool) {
		for _, v := range c.variants.since(earlier.variants.count) {
			if !yield(v.String(), v.Provider) {
				return
			}
		}
	}, true
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
