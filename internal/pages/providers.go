package pages

import (
	"html/template"
	"slices"

	"milepost/settings"
)

// rowsPerPage bounds the page of all providers.
const rowsPerPage = 100

// providersPage is the model of the page of all providers.
type providersPage struct {
	Filter         Filter
	Countries      []country
	Sections       []section
	Count          int    // of the rows on all pages
	Previous, Next string // paths; empty: there is none
	Position       string // "Page 2 of 3"; empty: it is the only one
}

// fewRows are so few that a narrow screen shows all of each.
const fewRows = 20

// Folded tells whether a narrow screen shows the providers' names alone, which lead to
// the rest.
func (p providersPage) Folded() bool { return p.Count > fewRows }

// country is a choice of the country filter.
type country struct {
	Code, Name string
	Chosen     bool
}

// section is one of the tables.
type section struct {
	ID, Title string
	Rows      []template.HTML
}

// row is a provider in a table: the best server of each protocol.
type row struct {
	*view
	Provider *settings.Provider
	Country  string
}

// cell is a server in a row. On a narrow screen, where a row is a card, it says its
// column.
type cell struct {
	Column string
	Server settings.Server
}

// Cells are the best servers in the order of the columns; a Server without
// Protocol: there is none.
func (r row) Cells() []cell {
	out := []cell{{Column: "POP"}, {Column: "IMAP"}, {Column: "SMTP"}}
	for i, protocol := range []settings.Protocol{settings.POP3, settings.IMAP, settings.SMTP} {
		servers := r.Provider.Incoming
		if protocol == settings.SMTP {
			servers = r.Provider.Outgoing
		}
		out[i].Server, _ = settings.Best(servers, protocol)
	}
	return out
}

// Providers is a page of the list of providers. Nobody may change it: without a
// search it is shared between its readers.
func (s *Site) Providers(r Reader, l *List, f Filter) ([]byte, error) {
	if !slices.Contains(l.countries[r.Lang].codes, f.Country) {
		f.Country = ""
	}
	found := l.find(f, r.Lang)
	last := max(len(found)-1, 0) / rowsPerPage
	f.Page = min(f.Page, last)
	render := func() ([]byte, error) { return s.providers(r, l, f, found, last) }
	if f.Search != "" {
		return render()
	}
	return l.keep(shared{site: s, reader: r, filter: f}, render)
}

func (s *Site) providers(r Reader, l *List, f Filter, found []*Entry, last int) ([]byte, error) {
	v := s.view(r, "/providers", f.query())
	v.Heading = v.T("providers-title")
	v.NoIndex = f != Filter{}
	v.Description = v.T("providers-lead")
	page := providersPage{Filter: f, Count: len(found)}
	if last > 0 {
		page.Position = v.T("providers-page", "page", f.Page+1, "pages", last+1)
		v.Heading += " – " + page.Position
	}
	turn := func(by int) string {
		to := f
		if to.Page += by; to.Page < 0 || to.Page > last {
			return ""
		}
		return to.path()
	}
	page.Previous, page.Next = turn(-1), turn(+1)
	in := l.countries[r.Lang]
	for _, code := range in.codes {
		page.Countries = append(page.Countries, country{code, in.names[code], code == f.Country})
	}
	var err error
	first := f.Page * rowsPerPage
	if page.Sections, err = s.sections(v, l, found[first:min(first+rowsPerPage, len(found))]); err != nil {
		return nil, err
	}
	return s.render(pageProviders, v, page)
}

// sections puts the entries of a page into their tables.
func (s *Site) sections(v *view, l *List, entries []*Entry) ([]section, error) {
	all := []section{
		{ID: "internet-providers", Title: v.T("kind-internet")},
		{ID: "mail-services", Title: v.T("kind-service")},
		{ID: "other-providers", Title: v.T("kind-other")},
	}
	for _, e := range entries {
		html, err := l.keep(shared{site: s, reader: v.Reader, row: e.ID}, func() ([]byte, error) {
			return s.execute(pageProviders, "row", row{v, e.Provider, l.countries[v.Reader.Lang].names[e.Country]})
		})
		if err != nil {
			return nil, err
		}
		in := &all[e.kind()]
		in.Rows = append(in.Rows, template.HTML(html))
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.Rows) == 0 }), nil
}
