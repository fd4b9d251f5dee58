package pages

import (
	"cmp"
	"html/template"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"milepost/settings"
)

// List is the table of all providers of one catalogue. Its rows are rendered
// once for each language.
type List struct {
	providers []*settings.Provider
	byID      map[string]*settings.Provider
	words     []string // that a search looks through, by provider
	countries []string // codes that occur

	mu   sync.Mutex
	rows map[Reader][]template.HTML
}

// NewList makes a list of providers. They are kept in the order of their names.
func NewList(providers []*settings.Provider) *List {
	l := &List{
		providers: slices.Clone(providers),
		byID:      make(map[string]*settings.Provider),
		rows:      make(map[Reader][]template.HTML),
	}
	slices.SortStableFunc(l.providers, func(a, b *settings.Provider) int {
		return strings.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName))
	})
	for _, p := range l.providers {
		l.byID[p.ID] = p
		l.words = append(l.words, searchWords(p))
		if p.Country != "" && !slices.Contains(l.countries, p.Country) {
			l.countries = append(l.countries, p.Country)
		}
	}
	return l
}

// Len is the number of providers.
func (l *List) Len() int { return len(l.providers) }

// Provider finds a provider by its ID.
func (l *List) Provider(id string) (*settings.Provider, bool) {
	p, ok := l.byID[id]
	return p, ok
}

// searchWords are names, servers and domains, as far as the provider's own page
// shows them.
func searchWords(p *settings.Provider) string {
	w := []string{p.ID, p.DisplayName, p.ShortName}
	for _, list := range [][]settings.Server{p.Incoming, p.Outgoing} {
		for _, s := range list {
			w = append(w, string(s.Hostname))
		}
	}
	if len(p.Domains) <= maxDomainsShown {
		for _, d := range p.Domains {
			w = append(w, d.Domain.ASCII, d.Domain.Unicode)
		}
	}
	return strings.ToLower(strings.Join(w, "\n"))
}

// Filter is what a person wants to see of a list.
type Filter struct {
	Search    string
	Country   string             // ISO 3166-1 alpha-2; empty: all
	ByCountry bool               // the order; else by name
	Serving   *settings.Provider // serves the domain that Search names; nil: none
}

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

// listPage is the model of the page of all providers.
type listPage struct {
	Filter    Filter
	Countries []country
	Sections  []section
	Count     int // of the rows
	All       int
}

// Providers is the page of all providers: internet providers, mail services,
// then the others.
func (s *Site) Providers(r Reader, l *List, f Filter) ([]byte, error) {
	v := s.view(r, "/providers", "")
	v.Heading = v.T("providers-title")
	v.NoIndex = f != Filter{}
	rows, err := l.render(s, r)
	if err != nil {
		return nil, err
	}
	names := countryNames(r.Lang)
	page := listPage{Filter: f, All: len(l.providers)}
	for _, code := range l.countries {
		page.Countries = append(page.Countries, country{code, names(code), code == f.Country})
	}
	slices.SortFunc(page.Countries, func(a, b country) int { return cmp.Compare(a.Name, b.Name) })
	page.Sections = []section{
		{ID: "internet-providers", Title: v.T("kind-internet")},
		{ID: "mail-services", Title: v.T("kind-service")},
		{ID: "other-providers", Title: v.T("kind-other")},
	}
	for _, i := range l.find(f, names) {
		n := slices.Index(settings.Kinds, l.providers[i].Kind)
		if n < 0 {
			n = len(settings.Kinds)
		}
		page.Sections[n].Rows = append(page.Sections[n].Rows, rows[i])
		page.Count++
	}
	page.Sections = slices.DeleteFunc(page.Sections, func(s section) bool { return len(s.Rows) == 0 })
	return s.render(pageProviders, v, page)
}

// find returns the places of the providers that a filter lets through, in its
// order.
func (l *List) find(f Filter, names func(code string) string) []int {
	var out []int
	search := strings.ToLower(strings.TrimSpace(f.Search))
	for i, p := range l.providers {
		if f.Country != "" && p.Country != f.Country {
			continue
		}
		if p == f.Serving || strings.Contains(l.words[i], search) {
			out = append(out, i)
		}
	}
	if f.ByCountry {
		slices.SortStableFunc(out, func(a, b int) int {
			return cmp.Compare(names(l.providers[a].Country), names(l.providers[b].Country))
		})
	}
	return out
}

// render makes the rows of a language, or returns those made before.
func (l *List) render(s *Site, r Reader) ([]template.HTML, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rows, ok := l.rows[r]; ok {
		return rows, nil
	}
	names := countryNames(r.Lang)
	rows := make([]template.HTML, len(l.providers))
	for i, p := range l.providers {
		v := s.view(r, "/providers", "")
		v.Data = listRow{Provider: p, Country: names(p.Country), Asked: Asked{Account: settings.Account{Provider: *p}}}
		var b strings.Builder
		if err := s.templates[pageProviders].ExecuteTemplate(&b, "row", v); err != nil {
			return nil, err
		}
		rows[i] = template.HTML(b.String())
	}
	l.rows[r] = rows
	return rows, nil
}

// listRow is the model of a row: the best server of each protocol.
type listRow struct {
	*settings.Provider
	Country string
	Asked   Asked
}

// cell is a server in the row, for those who read it as a card too.
type cell struct {
	Column string
	Server settings.Server
}

// Cells are the best servers in the order of the columns; a Server without
// Protocol: there is none.
func (r listRow) Cells() []cell {
	out := []cell{{Column: "POP"}, {Column: "IMAP"}, {Column: "SMTP"}}
	for i, protocol := range []settings.Protocol{settings.POP3, settings.IMAP, settings.SMTP} {
		servers := r.Incoming
		if protocol == settings.SMTP {
			servers = r.Outgoing
		}
		out[i].Server, _ = settings.Best(servers, protocol)
	}
	return out
}

// countryNames names countries in a language.
func countryNames(lang string) func(code string) string {
	namer := display.Regions(language.Make(lang))
	return func(code string) string {
		region, err := language.ParseRegion(code)
		if err != nil {
			return code
		}
		return namer.Name(region)
	}
}
