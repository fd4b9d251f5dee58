package pages

import (
	"slices"
	"strings"

	"milepost/settings"
)

// providerPage is the model of the page of one provider.
type providerPage struct {
	settings.Account          // without an address
	DomainNames      []string // in their own letters; empty: too many to list
	Named            int      // how many domains it names, listed or not
	Any              bool     // it serves other domains too
	InList           string   // path of its row in the list
	clients          []string // that can be used with it
}

const (
	// maxDomainsShown is the longest list of domains of the admin's that a page shows. A
	// longer one is a hoster's list of customers, which is nobody's business.
	maxDomainsShown = 100
	// manyDomains is how many are folded.
	manyDomains = 30
)

// Provider is the page of one provider. Nobody may change it: it is shared between its
// readers.
func (s *Site) Provider(r Reader, p *Entry) ([]byte, error) {
	return p.list.keep(shared{site: s, reader: r, row: "/providers/" + p.ID}, func() ([]byte, error) { return s.provider(r, p) })
}

func (s *Site) provider(r Reader, p *Entry) ([]byte, error) {
	v := s.view(r, "/providers/"+p.ID, "")
	v.Heading = v.T("provider-title", "provider", p.DisplayName)
	page := p.page()
	v.Description = v.describe(page)
	return s.render(pageProvider, v, page)
}

// page is what the provider's page is about.
func (e *Entry) page() providerPage {
	page := providerPage{
		Account: settings.Account{Provider: e.Provider},
		InList:  Filter{Page: e.at}.path() + "#" + e.ID,
		clients: e.Clients(),
	}
	for _, d := range e.Domains {
		if d.Wildcard && d.Domain.IsZero() {
			page.Any = true
			continue
		}
		page.Named++
		if e.listed {
			page.DomainNames = append(page.DomainNames, patternName(d))
		}
	}
	return page
}

func patternName(d settings.DomainPattern) string {
	if d.Wildcard {
		return "*." + d.Domain.Unicode
	}
	return d.Domain.Unicode
}

// describe says in a sentence what is on a provider's page.
func (v *view) describe(p providerPage) string {
	name := p.Provider.DisplayName
	switch {
	case p.Provider.Closed:
		return v.T("closed", "provider", name)
	case p.Provider.NoMailPrograms:
		return v.T("no-mail-programs", "provider", name)
	}
	return v.T("provider-description", "provider", name, "servers", v.inShort(p.Best()))
}

// inShort writes servers in a line, with no mark that a language sets in its own way.
func (v *view) inShort(servers []settings.Server) string {
	var out []string
	for _, s := range servers {
		out = append(out, v.ProtocolName(s.Protocol)+" "+v.Words(s.Hostname)+", "+v.T("field-port")+" "+v.Words(s.Port)+", "+v.Security(s.SocketType))
	}
	return strings.Join(out, " · ")
}

// Best are the servers that are recommended for each protocol, in the protocols'
// customary order.
func (p providerPage) Best() []settings.Server {
	if p.Provider.Closed {
		return nil
	}
	var out []settings.Server
	for _, protocol := range slices.Concat(settings.IncomingProtocols, settings.OutgoingProtocols) {
		if s, ok := settings.Best(slices.Concat(p.Provider.Incoming, p.Provider.Outgoing), protocol); ok {
			out = append(out, s)
		}
	}
	return out
}

// Servers are all of the provider's servers, incoming first.
func (p providerPage) Servers() []settings.Server {
	return slices.Concat(p.Provider.Incoming, p.Provider.Outgoing)
}

// Folded tells whether the domains are too many to be read.
func (p providerPage) Folded() bool { return len(p.DomainNames) > manyDomains }

// Day writes a date as people do.
func (v *view) Day(d settings.Date) string {
	year, rest, _ := strings.Cut(string(d), "-")
	month, day, _ := strings.Cut(rest, "-")
	return v.T("date", "year", year, "month", month, "day", day)
}
