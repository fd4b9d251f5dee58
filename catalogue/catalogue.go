// Package catalogue holds the providers by domain: entries of sources go in, an
// immutable index comes out, or every mistake with its place.
package catalogue

import (
	"slices"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// Catalogue is an index of providers by domain. It never changes, so it may be
// shared freely.
type Catalogue struct {
	providers []*settings.Provider // by ID
	lists     []ListSize
	own       *own
	tables    []tier // the last one is asked first
	variants  variants
	unknown   map[unknown]int               // rows
	shipped   map[string]*settings.Provider // by a domain that the shipped source's claim
	wildcards map[string]*settings.Provider // the key of *.example.com is example.com, that of * is empty
	mx        map[string]*settings.Provider
}

// own are the providers that did not come from the shipped source.
type own struct {
	providers map[string]*settings.Provider // by ID
	domains   map[string]*settings.Provider // by a domain that one of them claims
}

// Providers returns all providers in the order of their IDs.
func (c *Catalogue) Providers() []*settings.Provider { return slices.Clone(c.providers) }

// Own returns the admin's own providers, those that did not come from the shipped
// source, in the order of their IDs.
func (c *Catalogue) Own() []*settings.Provider {
	return slices.DeleteFunc(c.Providers(), func(p *settings.Provider) bool { return c.own.providers[p.ID] != p })
}

// Lists returns the lists of domains that were read.
func (c *Catalogue) Lists() []ListSize { return slices.Clone(c.lists) }

// Domains returns the number of domain patterns that the providers serve, and of rows
// in tables whose provider is known.
func (c *Catalogue) Domains() int {
	n := len(c.own.domains) + len(c.shipped) + len(c.wildcards)
	for _, t := range c.tables {
		n += t.known
	}
	return n
}

// Example returns a domain that is served, for people to try: the given one if it is,
// or else the first that can be named.
func (c *Catalogue) Example(wanted string) string {
	if c.find(address.Domain{ASCII: wanted}) != nil {
		return wanted
	}
	for _, p := range c.providers {
		for _, d := range p.Domains {
			switch {
			case !d.Wildcard:
				return d.Domain.ASCII
			case !d.Domain.IsZero():
				return "mail." + d.Domain.ASCII
			}
		}
		if len(p.MX) > 0 {
			return p.MX[0].ASCII
		}
	}
	for i := range c.tables {
		for d := range c.tables[i].members() {
			if p, _ := c.tables[i].provider(d); p != nil {
				return d
			}
		}
	}
	return "example.com" // of the default provider
}

// Lookup finds the provider that serves a domain: the one that names it, else
// the one with the longest wildcard above it, else the one whose MX domain is
// it or above it, else the default provider. It does not allocate.
func (c *Catalogue) Lookup(d address.Domain) (*settings.Provider, bool) {
	if p := c.find(d); p != nil {
		return p, true
	}
	return c.Default()
}

// Default returns the provider that serves whatever no other one does.
func (c *Catalogue) Default() (*settings.Provider, bool) {
	p, ok := c.wildcards[""]
	return p, ok
}

// LookupWithoutDefault is [Catalogue.Lookup], but never finds the default provider,
// which serves whatever looks like a domain.
func (c *Catalogue) LookupWithoutDefault(d address.Domain) (*settings.Provider, bool) {
	p := c.find(d)
	return p, p != nil
}

// LookupMX finds the provider whose MX domain is a host or above it, the longest one. It
// does not allocate.
func (c *Catalogue) LookupMX(host address.Domain) (*settings.Provider, bool) {
	p := longest(c.mx, host.ASCII)
	return p, p != nil
}

// Named finds the provider that names the domain itself: neither by a wildcard nor
// as an MX domain.
func (c *Catalogue) Named(d address.Domain) (*settings.Provider, bool) {
	p := c.named(d.ASCII)
	return p, p != nil
}

// find finds whatever provider serves a domain, but for the default one.
func (c *Catalogue) find(d address.Domain) *settings.Provider {
	if p := c.named(d.ASCII); p != nil {
		return p
	}
	if _, parent, ok := strings.Cut(d.ASCII, "."); ok && len(c.wildcards) > 0 {
		if p := longest(c.wildcards, parent); p != nil {
			return p
		}
	}
	return longest(c.mx, d.ASCII)
}

// longest finds the longest key that is the name or above it.
func longest(index map[string]*settings.Provider, name string) *settings.Provider {
	for ok := true; ok; _, name, ok = strings.Cut(name, ".") {
		if p := index[name]; p != nil {
			return p
		}
	}
	return nil
}
