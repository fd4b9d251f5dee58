package pages

import (
	"html/template"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"milepost/internal/answer"
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
	made map[Reader]*localised
}

// localised is what of a list depends on the reader, made once.
type localised struct {
	rows      []template.HTML // by provider
	countries []string        // the name in lower case, by provider
	choices   []country
	byCountry []int // the providers in that order
}

// NewList makes a list of providers. They are kept in the order of their names.
func NewList(providers []*settings.Provider) *List {
	l := &List{
		providers: slices.Clone(providers),
		byID:      make(map[string]*settings.Provider),
		made:      make(map[Reader]*localised),
	}
	names := collate.New(language.Und, collate.Loose)
	slices.SortStableFunc(l.providers, func(a, b *settings.Provider) int {
		return names.CompareString(a.DisplayName, b.DisplayName)
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
	if !slices.Contains(l.countries, f.Country) {
		f.Country = ""
	}
	v := s.view(r, "/providers", f.query())
	v.Heading = v.T("providers-title")
	v.NoIndex = f != Filter{}
	in, err := l.in(s, r)
	if err != nil {
		return nil, err
	}
	page := listPage{Filter: f, All: len(l.providers), Countries: slices.Clone(in.choices)}
	for i := range page.Countries {
		page.Countries[i].Chosen = page.Countries[i].Code == f.Country
	}
	page.Sections = []section{
		{ID: "internet-providers", Title: v.T("kind-internet")},
		{ID: "mail-services", Title: v.T("kind-service")},
		{ID: "other-providers", Title: v.T("kind-other")},
	}
	for _, i := range l.find(f, in) {
		n := slices.Index(settings.Kinds, l.providers[i].Kind)
		if n < 0 {
			n = len(settings.Kinds)
		}
		page.Sections[n].Rows = append(page.Sections[n].Rows, in.rows[i])
		page.Count++
	}
	page.Sections = slices.DeleteFunc(page.Sections, func(s section) bool { return len(s.Rows) == 0 })
	return s.render(pageProviders, v, page)
}

// find returns the places of the providers that a filter lets through, in its
// order. Each word of the search must be found.
func (l *List) find(f Filter, in *localised) []int {
	words := strings.Fields(strings.ToLower(f.Search))
	found := func(i int) bool {
		p := l.providers[i]
		if f.Country != "" && p.Country != f.Country {
			return false
		}
		return p == f.Serving || !slices.ContainsFunc(words, func(w string) bool {
			return !strings.Contains(l.words[i], w) && !strings.Contains(in.countries[i], w)
		})
	}
	var out []int
	for n := range l.providers {
		i := n
		if f.ByCountry {
			i = in.byCountry[n]
		}
		if found(i) {
			out = append(out, i)
		}
	}
	return out
}

// in makes what depends on the reader, or returns what was made before.
func (l *List) in(s *Site, r Reader) (*localised, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if in := l.made[r]; in != nil {
		return in, nil
	}
	in := &localised{rows: make([]template.HTML, len(l.providers)), countries: make([]string, len(l.providers))}
	names, order := countryNames(r.Lang), collate.New(language.Make(r.Lang), collate.Loose)
	for i, p := range l.providers {
		v := s.view(r, "/providers", "")
		v.Data = listRow{Provider: p, Country: names(p.Country), Asked: answer.Asked{Account: settings.Account{Provider: *p}}}
		var b strings.Builder
		if err := s.templates[pageProviders].ExecuteTemplate(&b, "row", v); err != nil {
			return nil, err
		}
		in.rows[i], in.countries[i] = template.HTML(b.String()), strings.ToLower(names(p.Country))
		in.byCountry = append(in.byCountry, i)
	}
	slices.SortStableFunc(in.byCountry, func(a, b int) int { return order.CompareString(in.countries[a], in.countries[b]) })
	for _, code := range l.countries {
		in.choices = append(in.choices, country{Code: code, Name: names(code)})
	}
	slices.SortFunc(in.choices, func(a, b country) int { return order.CompareString(a.Name, b.Name) })
	l.made[r] = in
	return in, nil
}

// listRow is the model of a row: the best server of each protocol.
type listRow struct {
	*settings.Provider
	Country string
	Asked   answer.Asked
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
