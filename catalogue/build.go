package catalogue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/settings"
)

// Input is what a catalogue is made of.
type Input struct {
	Shipped Source   // nil: none
	Own     []Source // the admin's own
	Tables  []*Table // domains of the admin's own providers
	// Fed tells whether a provider's domains come from a table, even if none names it at
	// the moment; nil: of no provider.
	Fed func(id string) bool
}

// New loads providers. Own ones go before the shipped ones, and a later source's before
// an earlier one's: such a provider replaces another one with the same ID, and takes over
// the domains that both claim. Inside one source each may be claimed once. What own
// providers claim by name goes before the tables, of which a later one counts; these
// go before what shipped providers claim by name, and before all wildcards. The error is a
// [textfile.Errors] with every mistake of every source; then there is no catalogue.
func New(ctx context.Context, in Input) (*Catalogue, textfile.Errors, error) {
	sources := in.Own
	if in.Shipped != nil {
		sources = append([]Source{in.Shipped}, in.Own...)
	}
	var b builder
	layers, size := make([][]Entry, len(sources)), 0
	for i, s := range sources {
		entries, warnings, mistakes := s.Load(ctx)
		b.warnings, b.mistakes = append(b.warnings, warnings...), append(b.mistakes, mistakes...)
		for _, e := range entries {
			size += len(e.Provider.Domains)
		}
		layers[i] = entries
	}
	b.Catalogue = &Catalogue{
		own:       &own{domains: make(map[string]*settings.Provider, size), providers: make(map[string]*settings.Provider)},
		variants:  variants{made: new(made)},
		shipped:   make(map[string]*settings.Provider),
		wildcards: make(map[string]*settings.Provider),
		mx:        make(map[string]*settings.Provider),
	}
	b.ids, b.fed = make(map[string]*Entry), in.fed()
	if in.Shipped != nil {
		b.others = make(map[settings.DomainPattern]string)
		for _, e := range layers[0] {
			for _, d := range e.Provider.Domains {
				b.others[d] = e.Provider.ID
			}
		}
	}
	for i, entries := range slices.Backward(layers) {
		if i == 0 && in.Shipped != nil {
			b.others, b.last = nil, true
		}
		b.layer(entries)
	}
	byPlace := func(a, b textfile.Error) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) }
	slices.SortStableFunc(b.mistakes, byPlace)
	slices.SortFunc(b.providers, func(a, b *settings.Provider) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(b.lists, func(a, b ListSize) int { return strings.Compare(a.File, b.File) })
	c, unknown := b.With(in.Tables)
	b.warnings = append(append(b.warnings, unknown...), c.takenOver()...)
	slices.SortStableFunc(b.warnings, byPlace)
	if len(b.mistakes) > 0 {
		return nil, b.warnings, b.mistakes
	}
	return c, b.warnings, nil
}

// fed returns the question whether a provider's domains come from a table.
func (in *Input) fed() func(id string) bool {
	named := make(map[string]bool)
	for _, t := range in.Tables {
		for b := range t.Belongings() {
			named[b.Provider] = true
		}
	}
	return func(id string) bool { return named[id] || in.Fed != nil && in.Fed(id) }
}

type builder struct {
	*Catalogue
	ids                map[string]*Entry
	others             map[settings.DomainPattern]string // the ID of the shipped provider that a domain would have; nil while those are entered
	last               bool                              // the shipped ones are entered
	fed                func(id string) bool
	owners             map[*settings.Provider]*Entry // of the layer that is being entered
	warnings, mistakes textfile.Errors
}

// layer enters the providers of one source. Those entered before came from later
// sources, which win.
func (b *builder) layer(entries []Entry) {
	b.owners = make(map[*settings.Provider]*Entry, len(entries))
	var entered []*Entry
	for i := range entries {
		if e := &entries[i]; b.claimID(e) {
			b.owners[e.Provider] = e
			b.providers = append(b.providers, e.Provider)
			if !b.last {
				b.own.providers[e.Provider.ID] = e.Provider
			}
			if e.Bare.Err != nil && !b.fed(e.Provider.ID) {
				b.mistakes = append(b.mistakes, e.Bare)
			}
			entered = append(entered, e)
		}
	}
	for _, e := range entered {
		twice := b.claimDomains(e, 0, e.own(), "a domain belongs to one provider")
		b.mistakes = append(b.mistakes, twice.Errors()...)
		b.claimMX(e)
	}
	// Lists last: what a file claims cannot be taken by somebody's data.
	for _, e := range entered {
		p := e.Provider
		twice := b.claimDomains(e, e.own(), len(p.Domains), "the line is left out")
		b.warnings = append(b.warnings, twice.Errors()...)
		if l := e.List; l.File != "" {
			b.lists = append(b.lists, ListSize{File: l.File, Domains: len(l.Lines) - twice.Len(), Dropped: l.Dropped + twice.Len()})
		}
	}
	for _, e := range entered {
		e.Provider.Domains = slices.DeleteFunc(e.Provider.Domains, lost)
	}
}

// lost tells whether a domain went to another provider. Such a pattern is emptied
// first and deleted last, so that the others keep their index and with it their
// line.
func lost(d settings.DomainPattern) bool { return d == settings.DomainPattern{} }

// claimID is false for a provider that a later source has replaced.
func (b *builder) claimID(e *Entry) bool {
	id := e.Provider.ID
	other, taken := b.ids[id]
	switch {
	case id == "": // a mistake, reported by the source
		return true
	case !taken:
		b.ids[id] = e
		return true
	case b.owners[other.Provider] != nil:
		b.mistakes = append(b.mistakes, textfile.Error{File: e.File, Line: e.Line, Key: "id",
			Err: fmt.Errorf("%q is the id of %s too; each provider needs its own", id, other.File)})
	}
	return false
}

// claimDomains enters an entry's domains, from one index to another. It returns
// those that the same layer has already; the rule ends their messages.
func (b *builder) claimDomains(e *Entry, from, to int, rule string) textfile.Series {
	var twice, takenOver textfile.Series
	for i := from; i < to; i++ {
		d := &e.Provider.Domains[i] // no copy: there may be a million
		if id, ok := b.others[*d]; ok {
			takenOver.Add(e.claimed(i), func() error {
				return fmt.Errorf("%s is answered from here, and not from the shipped provider %s", *d, id)
			})
		}
		index := b.own.domains
		switch {
		case d.Wildcard:
			index = b.wildcards
		case b.last:
			index = b.shipped
		}
		other := b.own.domains[d.Domain.ASCII]
		if d.Wildcard || other == nil {
			other = give(index, d.Domain, e.Provider)
		}
		if other == nil {
			continue
		}
		if owner := b.owners[other]; owner != nil {
			twice.Add(e.claimed(i), func() error {
				at := owner.claimed(slices.Index(other.Domains, *d))
				return fmt.Errorf("%s is claimed at %s:%d already; %s", *d, at.File, at.Line, rule)
			})
		}
		*d = settings.DomainPattern{}
	}
	b.warnings = append(b.warnings, takenOver.Errors()...)
	return twice
}

// give enters a domain for a provider, or returns the one that has it already.
func give(index map[string]*settings.Provider, d address.Domain, p *settings.Provider) *settings.Provider {
	other := index[d.ASCII]
	if other == nil {
		index[d.ASCII] = p
	}
	return other
}

// claimMX enters an entry's MX domains.
func (b *builder) claimMX(e *Entry) {
	var twice textfile.Series
	for i, d := range e.Provider.MX {
		other := give(b.mx, d, e.Provider)
		if owner := b.owners[other]; owner != nil {
			twice.Add(textfile.Error{File: e.File, Line: e.line(e.MXLines, i), Key: "mx"}, func() error {
				line := owner.line(owner.MXLines, slices.Index(other.MX, d))
				return fmt.Errorf("%s is claimed at %s:%d already; an MX domain belongs to one provider", d, owner.File, line)
			})
		}
	}
	b.mistakes = append(b.mistakes, twice.Errors()...)
}
