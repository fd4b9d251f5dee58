package answer

import (
	"bytes"

	"milepost/settings"
)

// Listing is a page of the providers.
type Listing struct {
	Providers   []*settings.Provider
	Count       int    // on all pages
	Page, Pages int    // from 1
	Next        string // path of the next page; empty: this is the last
}

// JSON is the listing for programs. PublicURL makes its links absolute, if it is known.
func (l Listing) JSON(publicURL string) ([]byte, error) {
	type provider struct {
		jsonProvider
		URL string `json:"url"`
	}
	if l.Next != "" {
		l.Next = publicURL + l.Next
	}
	return encode(struct {
		Providers []provider `json:"providers"`
		Count     int        `json:"count"`
		Page      int        `json:"page"`
		Pages     int        `json:"pages"`
		Next      string     `json:"next,omitempty"`
	}{each(l.Providers, func(p *settings.Provider) provider {
		return provider{jsonProvider{
			ID: p.ID, DisplayName: p.DisplayName, ShortName: p.ShortName, Kind: p.Kind, Country: p.Country, Website: p.Website,
			Checked: p.Checked, NoMailPrograms: p.NoMailPrograms, Closed: p.Closed,
		}, publicURL + "/api/v1/providers/" + p.ID}
	}), l.Count, l.Page, l.Pages, l.Next})
}

// PublicJSON is a provider as its page shows it, with its placeholders unfilled. Without
// listed, its domains are counted and not named.
func PublicJSON(p *settings.Provider, listed bool) ([]byte, error) {
	out := stored(p)
	count := len(p.Domains)
	out.DomainCount = &count
	if !listed {
		out.Domains = nil
	}
	return encode(out)
}

// server stands in openapi.json for the server's own address.
var server = []byte(`"servers": [{ "url": "/" }]`)

// OpenAPIAt is the description with the server's public address, if it is known.
func OpenAPIAt(publicURL string) []byte {
	if publicURL == "" {
		return OpenAPI
	}
	return bytes.Replace(OpenAPI, server, []byte(`"servers": [{ "url": "`+publicURL+`" }]`), 1)
}
