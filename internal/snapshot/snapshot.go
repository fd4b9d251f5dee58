// Package snapshot has everything that is served, made at once.
package snapshot

import (
	"milepost/catalogue"
	"milepost/internal/pages"
)

// Snapshot is everything that is served. It never changes: a reload makes another
// one, and a request that has begun keeps its own.
type Snapshot struct {
	Catalogue *catalogue.Catalogue
	Site      *pages.Site
	List      *pages.List // of all providers
	PublicURL string      // the HTTPS address of this server, as https://mail.example.com; empty: not known
}

// New makes the snapshot of a catalogue, with its pages in the looks of a service.
func New(c *catalogue.Catalogue, b pages.Branding, publicURL string) (*Snapshot, error) {
	site, err := pages.New(b, publicURL)
	if err != nil {
		return nil, err
	}
	return &Snapshot{Catalogue: c, Site: site, List: pages.NewList(c.Providers()), PublicURL: publicURL}, nil
}
