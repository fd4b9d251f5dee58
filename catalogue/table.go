package catalogue

import (
	"iter"
	"maps"

	"milepost/address"
	"milepost/settings"
)

// Row is what a source of domains, as a hoster's database, knows of one domain.
type Row struct {
	Domain address.Domain
	Belonging
	// Changed is when the row last changed, by the source's own clock: seconds since
	// 1970; 0: the source does not say.
	Changed uint32
}

// Belonging is to what a domain belongs. Many domains share one.
type Belonging struct {
	// Provider is the ID of a provider of the admin's own.
	Provider string
	// Host is the host that has the domain's mail, in place of %MXHOST%; empty: the
	// provider's hostnames say all.
	Host settings.Hostname
	// Name is what the domain's people know the service as; empty: the provider's name.
	Name string
}

// Change is a row as it is now, or as it was before it went.
type Change struct {
	Row
	Gone bool
}

// Table is the domains of one source. It never changes; With makes the next one, which
// shares with it whatever is the same. So a hundred changes to a million domains cost
// a hundred, not a million.
type Table struct {
	name       string
	belongings []Belonging // a member's index leads here
	base       map[string]member
	since      map[string]member // what has changed since base was made
	size       int
}

// member is a domain in eight octets: a table may have ten million.
type member struct {
	belonging uint32 // one more than its index; 0: the domain is gone
	changed   uint32
}

// NewTable makes a table of a source's rows. Of two rows of one domain the first
// counts. The name is that of the source.
func NewTable(name string, rows iter.Seq[Row]) *Table {
	t := &Table{name: name, base: make(map[string]member)}
	known := make(map[Belonging]uint32)
	for r := range rows {
		if _, twice := t.base[r.Domain.ASCII]; !twice {
			t.base[r.Domain.ASCII] = t.member(known, r)
		}
	}
	t.size = len(t.base)
	return t
}

// member keeps the row's belonging once for all that share it.
func (t *Table) member(known map[Belonging]uint32, r Row) member {
	i := known[r.Belonging]
	if i == 0 {
		t.belongings = append(t.belongings, r.Belonging)
		i = uint32(len(t.belongings))
		known[r.Belonging] = i
	}
	return member{belonging: i, changed: r.Changed}
}

// fewChanges is how many changes are always kept beside the base: each With copies
// them. More than a 64th of the base is put into a new base.
const fewChanges = 4096

// With makes the table that follows from changes. The last change of a domain counts.
func (t *Table) With(changes []Change) *Table {
	next := &Table{
		name: t.name, base: t.base, size: t.size,
		belongings: t.belongings[:len(t.belongings):len(t.belongings)], // the old one's must stay as they are
		since:      make(map[string]member, len(t.since)+len(changes)),
	}
	maps.Copy(next.since, t.since)
	known := make(map[Belonging]uint32, len(t.belongings))
	for i, b := range t.belongings {
		known[b] = uint32(i + 1)
	}
	for _, c := range changes {
		var now member
		if !c.Gone {
			now = next.member(known, c.Row)
		}
		_, was := next.find(c.Domain.ASCII)
		next.since[c.Domain.ASCII] = now
		switch {
		case was && c.Gone:
			next.size--
		case !was && !c.Gone:
			next.size++
		}
	}
	if len(next.since) > max(fewChanges, len(next.base)/64) {
		next.settle()
	}
	return next
}

// settle puts the changes into a base of their own.
func (t *Table) settle() {
	base := maps.Clone(t.base)
	for d, m := range t.since {
		if m.belonging == 0 {
			delete(base, d)
		} else {
			base[d] = m
		}
	}
	t.base, t.since = base, nil
}

// find is false for a domain that is not there, or no longer.
func (t *Table) find(d string) (member, bool) {
	m, ok := t.since[d]
	if !ok {
		m = t.base[d]
	}
	return m, m.belonging != 0
}

// Name is that of the source.
func (t *Table) Name() string { return t.name }

// Len is the number of domains.
func (t *Table) Len() int { return t.size }

// Find returns the row of a domain, by its name in A-labels.
func (t *Table) Find(d string) (Row, bool) {
	m, ok := t.find(d)
	if !ok {
		return Row{}, false
	}
	return t.row(d, m), true
}

func (t *Table) row(d string, m member) Row {
	return Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: t.belongings[m.belonging-1], Changed: m.changed}
}

// All yields every row, in no order. Unicode of their domains is left to whoever shows
// them: it is the name in A-labels here.
func (t *Table) All() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for d, m := range t.since {
			if m.belonging != 0 && !yield(t.row(d, m)) {
				return
			}
		}
		for d, m := range t.base {
			if _, changed := t.since[d]; !changed && !yield(t.row(d, m)) {
				return
			}
		}
	}
}
