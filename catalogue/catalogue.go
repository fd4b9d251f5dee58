// Package catalogue holds the providers by domain: TOML files go in, an
// immutable index comes out, or every mistake with its file and line.
//
// docs/catalogue.md describes the files.
package catalogue

import (
	"slices"
	"strings"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/settings"
)

// Error is one mistake in a catalogue: File, Line (0: the file as a whole),
// Key and what is wrong.
type Error = textfile.Error

// Errors is every mistake of a catalogue, one a line.
type Errors = textfile.Errors

// Catalogue is a snapshot of providers by domain. It never changes, so it may
// be shared freely.
type Catalogue struct {
	providers []*settings.Provider // by ID
	domains   map[string]*settings.Provider
	wildcards map[string]*settings.Provider // the key of *.example.com is example.com
	mx        map[string]*settings.Provider
	byDefault *settings.Provider // of "*"; nil: none
	sources   map[*settings.Provider]int
}

// Providers returns all providers in the order of their IDs.
func (c *Catalogue) Providers() []*settings.Provider { return slices.Clone(c.providers) }

// Domains returns the number of domain patterns that the providers serve.
func (c *Catalogue) Domains() int {
	n := len(c.domains) + len(c.wildcards)
	if c.byDefault != nil {
		n++
	}
	return n
}

// Lookup finds the provider that serves a domain: the one that names it, else
// the one with the longest wildcard above it, else the one whose MX domain is
// it or above it, else the default provider. It does not allocate.
func (c *Catalogue) Lookup(d address.Domain) (*settings.Provider, bool) {
	if p := c.named(d); p != nil {
		return p, true
	}
	return c.byDefault, c.byDefault != nil
}

// LookupWithoutDefault is [Catalogue.Lookup], but never finds the default provider:
// that one serves whatever looks like a domain.
func (c *Catalogue) LookupWithoutDefault(d address.Domain) (*settings.Provider, bool) {
	p := c.named(d)
	return p, p != nil
}

// LookupFirst finds the provider for the first of several domains that one
// names, as itself, by wildcard or as MX domain. Only if there is none it is
// the default provider.
func (c *Catalogue) LookupFirst(domains ...address.Domain) (*settings.Provider, bool) {
	for _, d := range domains {
		if p := c.named(d); p != nil {
			return p, true
		}
	}
	return c.byDefault, c.byDefault != nil && len(domains) > 0
}

// Named finds the provider that names the domain itself: by no wildcard, by no MX
// domain.
func (c *Catalogue) Named(d address.Domain) (*settings.Provider, bool) {
	p, ok := c.domains[d.ASCII]
	return p, ok
}

// From returns the providers that were read from a source, counted from 0 in the
// order in which [Load] was given them.
func (c *Catalogue) From(source int) []*settings.Provider {
	return slices.DeleteFunc(c.Providers(), func(p *settings.Provider) bool { return c.sources[p] != source })
}

func (c *Catalogue) named(d address.Domain) *settings.Provider {
	if p := c.domains[d.ASCII]; p != nil {
		return p
	}
	if len(c.wildcards) > 0 {
		if _, parent, ok := strings.Cut(d.ASCII, "."); ok {
			if p := longest(c.wildcards, parent); p != nil {
				return p
			}
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
