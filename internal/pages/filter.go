package pages

import (
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"milepost/address"
	"milepost/internal/query"
	"milepost/settings"
)

// Filter is what a person wants to see of the list of providers.
type Filter struct {
	Search    string             // valid UTF-8
	Country   string             // ISO 3166-1 alpha-2; empty: all
	ByCountry bool               // the order; else by name
	Page      int                // from 0; beyond the last: the last
	Serving   *settings.Provider // serves the domain that Search names; nil: none
}

// maxSearch is in octets: no name or domain is longer.
const maxSearch = 300

// ParseFilter reads a query. What cannot be read was not chosen.
func ParseFilter(rawQuery string) Filter {
	var f Filter
	for p := range query.Parameters(rawQuery) {
		if p.Name == "q" {
			f.Search = p.Text()
			f.Search = strings.ToValidUTF8(f.Search[:min(len(f.Search), maxSearch)], "\ufffd")
			break
		}
	}
	country, _ := query.Get(rawQuery, "country")
	if region, err := language.ParseRegion(country); err == nil {
		f.Country = region.String()
	}
	order, _ := query.Get(rawQuery, "sort")
	f.ByCountry = order == "country"
	page, _ := query.Get(rawQuery, "page")
	if n, err := strconv.Atoi(page); err == nil && n > 0 {
		f.Page = n - 1
	}
	return f
}

// Domain is the domain that the search names, alone or in an address. False: it names
// none.
func (f Filter) Domain() (address.Domain, bool) {
	_, domain, found := strings.Cut(f.Search, "@")
	if !found {
		domain = f.Search
	}
	d, err := address.ParseDomain(strings.TrimSpace(domain))
	return d, err == nil && strings.Contains(d.ASCII, ".")
}

// path is where the page is that a filter asks for.
func (f Filter) path() string {
	if q := f.query(); q != "" {
		return "/providers?" + q
	}
	return "/providers"
}

// query is the filter as it stands in a link.
func (f Filter) query() string {
	q := make(url.Values)
	if f.Search != "" {
		q.Set("q", f.Search)
	}
	if f.Country != "" {
		q.Set("country", f.Country)
	}
	if f.ByCountry {
		q.Set("sort", "country")
	}
	if f.Page > 0 {
		q.Set("page", strconv.Itoa(f.Page+1))
	}
	return q.Encode()
}
