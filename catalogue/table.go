package catalogue

import (
	"iter"
	"maps"
	"slices"

	"milepost/address"
	"milepost/internal/layered"
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
	known      layered.Map[Belonging, uint32]
	order      *order  // of the belongings
	counts     []int32 // how many domains have each of them; 0: it is left over
	base       map[string]member
	since      map[string]member // what has changed since base was made
	size       int
	latest     uint32 // no row has changed later
}

// order is shared by tables of which the later ones have the belongings of the earlier
// ones in the same place.
type order struct{ _ byte }

// member is a domain in eight octets: a table may have ten million.
type member struct {
	belonging uint32 // one more than its index; 0: the domain is gone
	changed   uint32
}

// NewTable makes a table of a source's rows. Of two rows of one domain the first
// counts. The name is that of the source.
func NewTable(name string, rows iter.Seq[Row]) *Table {
	t := &Table{name: name, order: new(order), base: make(map[string]member)}
	known := make(map[Belonging]uint32)
	for r := range rows {
		if _, twice := t.base[r.Domain.ASCII]; twice {
			continue
		}
		m := t.member(known, r)
		t.base[r.Domain.ASCII] = m
		t.counts[m.belonging-1]++
	}
	t.size, t.known = len(t.base), layered.Of(known)
	return t
}

// member keeps the row's belonging once for all that share it.
func (t *Table) member(added map[Belonging]uint32, r Row) member {
	i, ok := t.known.Get(r.Belonging)
	if !ok {
		i = added[r.Belonging]
	}
	if i == 0 {
		t.belongings, t.counts = append(t.belongings, r.Belonging), append(t.counts, 0)
		i = uint32(len(t.belongings))
		added[r.Belonging] = i
	}
	t.latest = max(t.latest, r.Changed)
	return member{belonging: i, changed: r.Changed}
}

// fewChanges is how many changes are always kept beside the base: each With copies
// them. More than a 64th of the base is put into a new base.
const fewChanges = 4096

// With makes the table that follows from changes. The last change of a domain counts.
func (t *Table) With(changes []Change) *Table {
	next := &Table{
		name: t.name, base: t.base, size: t.size, latest: t.latest,
		belongings: slices.Clip(t.belongings), // the old one's must stay as they are
		known:      t.known, order: t.order, counts: slices.Clone(t.counts),
		since: make(map[string]member, len(t.since)+len(changes)),
	}
	maps.Copy(next.since, t.since)
	added := make(map[Belonging]uint32)
	for _, c := range changes {
		var now member
		if !c.Gone {
			now = next.member(added, c.Row)
		}
		if before, was := next.find(c.Domain.ASCII); was {
			next.counts[before.belonging-1]--
			next.size--
		}
		if !c.Gone {
			next.counts[now.belonging-1]++
			next.size++
		}
		next.since[c.Domain.ASCII] = now
	}
	next.known = t.known.With(added)
	if len(next.since) > max(fewChanges, len(next.base)/64) {
		next.settle()
	}
	return next
}

// settle puts the changes into a base of their own, and leaves belongings out that are left
// over if there are many.
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
	unused := 0
	for _, n := range t.counts {
		if n == 0 {
			unused++
		}
	}
	if 4*unused > len(t.counts) {
		t.reorder()
	}
}

// reorder leaves out the belongings that no domain has. The base is the table's own.
func (t *Table) reorder() {
	var belongings []Belonging
	var counts []int32
	known, moved := make(map[Belonging]uint32), make([]uint32, len(t.belongings)+1)
	for i, n := range t.counts {
		if n > 0 {
			belongings, counts = append(belongings, t.belongings[i]), append(counts, n)
			moved[i+1] = uint32(len(belongings))
			known[t.belongings[i]] = moved[i+1]
		}
	}
	for d, m := range t.base {
		t.base[d] = member{belonging: moved[m.belonging], changed: m.changed}
	}
	t.belongings, t.counts, t.known, t.order = belongings, counts, layered.Of(known), new(order)
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

// Latest is a time at which a row changed last, or a later one at which one did that has
// changed again; 0: the source does not say.
func (t *Table) Latest() uint32 { return t.latest }

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
		for d, m := range t.members() {
			if !yield(t.row(d, m)) {
				return
			}
		}
	}
}

// members yields every domain, in no order.
func (t *Table) members() iter.Seq2[string, member] {
	return func(yield func(string, member) bool) {
		for d, m := range t.since {
			if m.belonging != 0 && !yield(d, m) {
				return
			}
		}
		for d, m := range t.base {
			if _, changed := t.since[d]; !changed && !yield(d, m) {
				return
			}
		}
	}
}

// Belongings yields to what domains belong, with their number.
func (t *Table) Belongings() iter.Seq2[Belonging, int] {
	return func(yield func(Belonging, int) bool) {
		for i, b := range t.belongings {
			if n := t.counts[i]; n > 0 && !yield(b, int(n)) {
				return
			}
		}
	}
}
