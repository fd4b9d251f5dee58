package pages

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"milepost/settings"
)

// List is the table of all providers of one catalogue: internet providers, mail
// services, then the others, each in the order of their names.
type List struct {
	entries   []*Entry
	byID      map[string]*Entry
	countries map[string]*countries // by language
	spellings spellings

	mu   sync.Mutex
	kept map[shared][]byte
	size int // octets of all that is kept
}

// Entry is a provider in a list.
type Entry struct {
	*settings.Provider
	list   *List  // that it stands in
	listed bool   // its domains may be shown
	words  string // that a search looks through
	at     int    // page on which it stands without a filter
}

// countries are those of a list's providers, in one language.
type countries struct {
	codes   []string          // in the order of their names
	names   map[string]string // by code
	lower   map[string]string // names in lower case, for a search
	entries []*Entry          // the list's, ordered by country instead of name
}

// NewList makes a list of providers. Own are those among them that the admin added: what
// a long list of theirs holds is nobody's business.
func NewList(providers, own []*settings.Provider) *List {
	private := make(map[*settings.Provider]bool)
	for _, p := range own {
		private[p] = len(p.Domains) > maxDomainsShown
	}
	l := &List{byID: make(map[string]*Entry), countries: make(map[string]*countries), kept: make(map[shared][]byte)}
	var codes []string
	for _, p := range providers {
		e := &Entry{Provider: p.WithoutLogin(), list: l, listed: !private[p]}
		e.words = searchWords(e)
		l.entries, l.byID[p.ID] = append(l.entries, e), e
		if p.Country != "" && !slices.Contains(codes, p.Country) {
			codes = append(codes, p.Country)
		}
	}
	names := collate.New(language.Und, collate.Loose)
	slices.SortStableFunc(l.entries, func(a, b *Entry) int {
		return cmp.Or(a.kind()-b.kind(), names.CompareString(a.DisplayName, b.DisplayName))
	})
	for i, e := range l.entries {
		e.at = i / rowsPerPage
	}
	for _, lang := range languages {
		l.countries[lang.code] = newCountries(l.entries, codes, lang.tag)
	}
	l.spellings = l.spell()
	return l
}

// kind is the place of the provider's table among the three.
func (e *Entry) kind() int {
	if i := slices.Index(settings.Kinds, e.Kind); i >= 0 {
		return i
	}
	return len(settings.Kinds)
}

func newCountries(entries []*Entry, codes []string, lang language.Tag) *countries {
	c := &countries{slices.Clone(codes), make(map[string]string), make(map[string]string), slices.Clone(entries)}
	namer, order := display.Regions(lang), collate.New(lang, collate.Loose)
	for _, code := range codes {
		c.names[code] = code
		if region, err := language.ParseRegion(code); err == nil {
			c.names[code] = namer.Name(region)
		}
		c.lower[code] = strings.ToLower(c.names[code])
	}
	slices.SortFunc(c.codes, func(a, b string) int { return order.CompareString(c.names[a], c.names[b]) })
	rank := make(map[string]int) // no country: 0
	for i, code := range c.codes {
		rank[code] = i + 1
	}
	slices.SortStableFunc(c.entries, func(a, b *Entry) int {
		return cmp.Or(a.kind()-b.kind(), rank[a.Country]-rank[b.Country])
	})
	return c
}

// Len is the number of providers.
func (l *List) Len() int { return len(l.entries) }

// Provider finds a provider by its ID.
func (l *List) Provider(id string) (*Entry, bool) {
	e, ok := l.byID[id]
	return e, ok
}

// Listed tells whether the provider's domains may be shown.
func (e *Entry) Listed() bool { return e.listed }

// Page is a page of a list.
type Page struct {
	Entries       []*Entry
	Count         int    // on all pages
	Number, Pages int    // from 0
	Next          string // path of the next one; empty: this is the last
}

// Page returns a page of what a filter lets through; one beyond the last is the last.
func (l *List) Page(f Filter, lang string) Page {
	found := l.find(f, lang)
	p := Page{Count: len(found), Pages: max(len(found)-1, 0)/rowsPerPage + 1}
	f.Page = min(f.Page, p.Pages-1)
	p.Number = f.Page
	p.Entries = found[p.Number*rowsPerPage : min((p.Number+1)*rowsPerPage, len(found))]
	if f.Page++; f.Page < p.Pages {
		p.Next = f.path()
	}
	return p
}

// searchWords are names, servers and domains, as far as the provider's own page
// shows them.
func searchWords(p *Entry) string {
	w := []string{p.ID, p.DisplayName, p.ShortName}
	for _, list := range [][]settings.Server{p.Incoming, p.Outgoing} {
		for _, s := range list {
			w = append(w, string(s.Hostname))
		}
	}
	if p.listed {
		for _, d := range p.Domains {
			w = append(w, d.Domain.ASCII, d.Domain.Unicode)
		}
	}
	return strings.ToLower(strings.Join(w, "\n"))
}

// find returns the entries that a filter lets through, on whatever page, in its
// order. Each word of the search must be found; if nothing has them all, one of several
// names between slashes will do, as in "Orange / Wanadoo". Nobody may change the slice.
func (l *List) find(f Filter, lang string) []*Entry {
	search := strings.ToLower(f.Search)
	found := l.having(f, lang, search)
	if len(found) == 0 && strings.Contains(search, "/") {
		found = l.having(f, lang, strings.Split(search, "/")...)
	}
	return found
}

// having returns the entries that have all the words of one of these names.
func (l *List) having(f Filter, lang string, names ...string) []*Entry {
	in, all := l.countries[lang], l.entries
	if f.ByCountry {
		all = in.entries
	}
	words := make([][]string, 0, len(names))
	for _, name := range names {
		if w := strings.Fields(name); len(w) > 0 || len(names) == 1 {
			words = append(words, w)
		}
	}
	if f.Country == "" && len(words) == 1 && len(words[0]) == 0 {
		return all
	}
	var found []*Entry
	for _, e := range all {
		if f.Country != "" && e.Country != f.Country {
			continue
		}
		if f.Serving != nil && e.ID == f.Serving.ID || slices.ContainsFunc(words, func(words []string) bool {
			return !slices.ContainsFunc(words, func(w string) bool {
				return !strings.Contains(e.words, w) && !strings.Contains(in.lower[e.Country], w)
			})
		}) {
			found = append(found, e)
		}
	}
	return found
}

// maxKept is in octets.
const maxKept = 8 << 20

// shared names a row, or a page without a search, which is the same for many. What a
// stranger can choose of it is of a short list.
type shared struct {
	site   *Site
	reader Reader
	row    string // ID of its provider; or the path of a page of its own; empty: a page of the list
	filter Filter // of the page; without Search and Serving
}

// keep renders what was not kept, and returns the same octets to all who ask for
// it: slow readers are many.
func (l *List) keep(key shared, render func() ([]byte, error)) ([]byte, error) {
	l.mu.Lock()
	body, ok := l.kept[key]
	l.mu.Unlock()
	if ok {
		return body, nil
	}
	fresh, err := render()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if body, ok := l.kept[key]; ok {
		return body, nil // somebody else was faster
	}
	fresh = bytes.Clone(fresh) // without the room that a buffer has left
	if l.size+cap(fresh) > maxKept {
		clear(l.kept)
		l.size = 0
	}
	l.kept[key] = fresh
	l.size += cap(fresh)
	return fresh, nil
}
