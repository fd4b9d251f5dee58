package pages

import "milepost/settings"

// providerPage is the model of the page of one provider.
type providerPage struct {
	settings.Account          // without an address
	DomainNames      []string // in their own letters; empty: too many to list
	Any              bool     // it serves other domains too
	InList           string   // path of its row in the list
}

// maxDomainsShown is the longest list of domains of the admin's that a page shows. A
// longer one is a hoster's list of customers, which is nobody's business.
const maxDomainsShown = 100

// Provider is the page of one provider.
func (s *Site) Provider(r Reader, p *Entry) ([]byte, error) {
	v := s.view(r, "/providers/"+p.ID, "")
	v.Heading = v.T("provider-title", "provider", p.DisplayName)
	page := providerPage{
		Account: settings.Account{Provider: p.Provider},
		InList:  Filter{Page: p.page}.path() + "#" + p.ID,
	}
	for _, d := range p.Domains {
		if d.Wildcard && d.Domain.IsZero() {
			page.Any = true
			continue
		}
		if p.listed {
			page.DomainNames = append(page.DomainNames, patternName(d))
		}
	}
	return s.render(pageProvider, v, page)
}

func patternName(d settings.DomainPattern) string {
	if d.Wildcard {
		return "*." + d.Domain.Unicode
	}
	return d.Domain.Unicode
}
