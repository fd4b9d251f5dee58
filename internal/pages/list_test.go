package pages

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"milepost/internal/fixture"
	"milepost/settings"
)

func TestFind(t *testing.T) {
	c := fixture.Shipped(t)
	l := NewList(c.Providers(), c.Own())
	for _, tc := range []struct {
		name, first string
		filter      Filter
	}{
		{"all", "nifty.com", Filter{}}, // its name starts with an @
		{"name", "orange.fr", Filter{Search: "ORANGE"}},
		{"domain", "orange.fr", Filter{Search: "wanadoo.fr"}},
		{"server", "gmail.com", Filter{Search: "imap.gmail.com"}},
		{"country", "bluewin.ch", Filter{Country: "CH", Search: "swisscom"}},
		{"several words", "orange.fr", Filter{Search: "france orange"}},
		{"nothing", "", Filter{Search: "no such thing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := l.find(tc.filter, "en")
			first := ""
			if len(found) > 0 {
				first = found[0].ID
			}
			if first != tc.first {
				t.Errorf("first of %d is %q", len(found), first)
			}
		})
	}
}

// What people call the providers finds them, with all the names that a list gives them.
func TestFindByOtherNames(t *testing.T) {
	l := NewList(fixture.Shipped(t).Providers(), nil)
	for name, want := range map[string]string{
		"Alice": "alice.fr", "Bouygues": "bbox.fr", "Dartybox": "dartybox.com", "Free": "free.fr", "Noos / Numericable": "numericable.fr",
		"Orange / Wanadoo": "orange.fr", "OVH": "ovh.net", "SFR / Neuf / 9 Online / Cegetel": "sfr.fr", "AOL": "aol.com", "Apple (iCloud / Me / Mac)": "icloud.com",
		"Club-Internet": "club-internet.fr", "Gmail": "gmail.com", "GMX (Caramail)": "gmx.com", "Laposte": "laposte.net", "Opera Mail": "myopera.com",
		"Outlook / Microsoft 365 / Live / Hotmail": "outlook.com", "Yahoo Mail": "yahoo.com",
	} {
		found := l.find(Filter{Search: name}, "fr")
		if !slices.ContainsFunc(found, func(e *Entry) bool { return e.ID == want }) {
			t.Errorf("%s finds %d others", name, len(found))
		}
	}
	if found := l.find(Filter{Search: "///"}, "fr"); len(found) != 0 {
		t.Errorf("nothing finds %d", len(found))
	}
}

// Countries are in the order of the reader's language: in German ä is sorted as a,
// and Ö as O.
func TestFindByCountry(t *testing.T) {
	var providers []*settings.Provider
	for _, country := range []string{"PL", "AT", "", "DE", "DK"} {
		providers = append(providers, &settings.Provider{ID: country, DisplayName: country, Country: country})
	}
	providers = append(providers, &settings.Provider{ID: "service", Kind: settings.MailService, Country: "PL"})
	l := NewList(providers, nil)
	for lang, want := range map[string][]string{"de": {"service", "", "DK", "DE", "AT", "PL"}, "en": {"service", "", "AT", "DK", "DE", "PL"}} {
		var got []string
		for _, e := range l.find(Filter{ByCountry: true}, lang) {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

// A hoster's list of customers is on no page.
func TestCustomersAreNotListed(t *testing.T) {
	s := site(t)
	p := *fixture.Shipped(t).Providers()[0]
	p.Domains = nil
	for i := range maxDomainsShown + 1 {
		d := settings.DomainPattern{}
		d.Domain.ASCII = strings.Repeat("c", i+1) + ".customer.example"
		d.Domain.Unicode = d.Domain.ASCII
		p.Domains = append(p.Domains, d)
	}
	l := newOwn(&p)
	page, err := s.Provider(Reader{Lang: "en"}, l.entries[0])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "customer.example") || !strings.Contains(string(page), "101 domains") {
		t.Errorf("%s", page)
	}
	if got := l.find(Filter{Search: "customer.example"}, "en"); len(got) != 0 {
		t.Error("a part of a customer's domain finds its provider")
	}
}

// A provider may serve every domain, beside those that it names.
func TestProviderOfEveryDomain(t *testing.T) {
	s := site(t)
	for _, tc := range []struct{ name, domains, want string }{
		{"none named", `"*"`, "any domain"},
		{"one named", `"*", "family.example"`, "<bdi>family.example</bdi> and any other domain"},
		{"that one alone", `"family.example"`, "<bdi>family.example</bdi>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := fixture.Catalogue(t, "family.example.toml", "display_name = \"Family\"\ndomains = ["+tc.domains+"]\n[[incoming]]\nprotocol = \"imap\"\nhostname = \"mail.family.example\"\n[[outgoing]]\nhostname = \"mail.family.example\"\n")
			page, err := s.Provider(Reader{Lang: "en"}, newOwn(c.Providers()[0]).entries[0])
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(page), `<h2 id="domains">`)
			_, after, _ = strings.Cut(after, "<p>")
			if got, _, _ := strings.Cut(after, "</p>"); strings.TrimSpace(got) != tc.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// manyProviders is a list of so many, a third of them of each kind.
func manyProviders(n int) *List {
	var providers []*settings.Provider
	kinds := append(slices.Clone(settings.Kinds), "")
	server := func(protocol settings.Protocol, host string) []settings.Server {
		return []settings.Server{{Protocol: protocol, Hostname: settings.Hostname(host), Port: 993, SocketType: settings.SSL, Username: settings.EmailAddress}}
	}
	for i := range n {
		id := fmt.Sprintf("provider%04d.example", i)
		providers = append(providers, &settings.Provider{
			ID: id, DisplayName: "Provider " + id, ShortName: id, Kind: kinds[i%len(kinds)], Country: []string{"FR", "DE"}[i%2],
			Incoming: server(settings.IMAP, "imap."+id), Outgoing: server(settings.SMTP, "smtp."+id),
		})
	}
	return NewList(providers, nil)
}

// pageOf is what a page of the list shows.
type pageOf struct {
	rows       []string // IDs
	title      string
	prev, next string // links; empty: none
}

func readPage(t *testing.T, page []byte) pageOf {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var p pageOf
	for n := range root.Descendants() {
		attr := make(map[string]string)
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		switch {
		case n.Data == "tr" && attr["id"] != "":
			p.rows = append(p.rows, attr["id"])
		case n.Data == "title":
			p.title = textOf(n)
		case attr["rel"] == "prev":
			p.prev = attr["href"]
		case attr["rel"] == "next":
			p.next = attr["href"]
		}
	}
	return p
}

// The pages of a long list have every provider once, in the list's order, and lead
// from one to the next, whatever the filter.
func TestListHasPages(t *testing.T) {
	s, l := site(t), manyProviders(1001)
	for _, tc := range []struct {
		name, query string
		rows, pages int
	}{
		{"all", "", 1001, 11},
		{"by country", "sort=country", 1001, 11},
		{"one country", "country=fr", 501, 6},
		{"a search", "q=provider00", 100, 1},
		{"a search with pages", "q=provider0+example&sort=country", 1000, 10},
		{"nothing", "q=nothing", 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := ParseFilter(tc.query)
			var want []string
			for _, e := range l.find(f, "de") {
				want = append(want, e.ID)
			}
			var got []string
			pages, before, at := 0, "", f.path()
			for at != "" && pages < 20 {
				_, query, _ := strings.Cut(at, "?")
				page, err := s.Providers(Reader{Lang: "de"}, l, ParseFilter(query))
				if err != nil {
					t.Fatal(err)
				}
				p := readPage(t, page)
				pages++
				if p.prev != before {
					t.Errorf("page %d leads back to %q, want %q", pages, p.prev, before)
				}
				if title := fmt.Sprintf("Seite %d von %d", pages, tc.pages); strings.Contains(p.title, title) != (tc.pages > 1) {
					t.Errorf("page %d is called %q", pages, p.title)
				}
				got = append(got, p.rows...)
				before, at = at, p.next
			}
			if !slices.Equal(got, want) || len(got) != tc.rows || pages != tc.pages {
				t.Errorf("%d rows on %d pages, want %d on %d", len(got), pages, tc.rows, tc.pages)
			}
		})
	}
	last, err := s.Providers(Reader{Lang: "en"}, l, Filter{Page: 10})
	if err != nil {
		t.Fatal(err)
	}
	beyond, err := s.Providers(Reader{Lang: "en"}, l, Filter{Page: 1 << 40})
	if err != nil || !bytes.Equal(last, beyond) {
		t.Error("a page beyond the last is not the last", err)
	}
}

// A provider's page leads back to its row, on whatever page of the list that is.
func TestProviderLeadsToItsRow(t *testing.T) {
	s, l := site(t), manyProviders(601)
	for _, e := range []*Entry{l.entries[0], l.entries[99], l.entries[100], l.entries[600]} {
		page, err := s.Provider(Reader{Lang: "fr", Chosen: true}, e)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(page), `<main id="main" tabindex="-1">`+"\n"+`<p class="up"><a href="`)
		link, _, _ := strings.Cut(after, `"`)
		path, anchor, _ := strings.Cut(html.UnescapeString(link), "#")
		_, query, _ := strings.Cut(path, "?")
		list, err := s.Providers(ParseReader(query, ""), l, ParseFilter(query))
		if err != nil || anchor != e.ID || !slices.Contains(readPage(t, list).rows, e.ID) {
			t.Errorf("%s: %s leads elsewhere, %v", e.ID, link, err)
		}
	}
}

// Readers of the same page hold the same octets, and a page is no longer than its
// rows; a search is kept for nobody.
func TestPagesOfListAreShared(t *testing.T) {
	s, l := site(t), manyProviders(5000)
	render := func(s *Site, r Reader, f Filter) []byte {
		page, err := s.Providers(r, l, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 160_000 {
			t.Errorf("%v: %d octets", f, len(page))
		}
		return page
	}
	english, german := Reader{Lang: "en"}, Reader{Lang: "de"}
	for _, f := range []Filter{{}, {Page: 24}, {Page: 99}, {Country: "FR", ByCountry: true, Page: 3}, {Country: "XX"}} {
		if one, two := render(s, english, f), render(s, english, f); &one[0] != &two[0] {
			t.Errorf("%v: each reader has a page of their own", f)
		}
		if one, two := render(s, english, f), render(s, german, f); bytes.Equal(one, two) {
			t.Errorf("%v is the same in two languages", f)
		}
	}
	branded, err := New(Branding{Name: "Example Mail"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if page := render(branded, english, Filter{}); !bytes.Contains(page, []byte("Example Mail")) {
		t.Error("another site's page was kept")
	}
	one, err1 := s.Provider(english, l.entries[0])
	two, err2 := s.Provider(english, l.entries[0])
	if err1 != nil || err2 != nil || &one[0] != &two[0] {
		t.Error("each reader of a provider's page has one of their own", err1, err2)
	}
	before := l.size
	if one, two := render(s, english, Filter{Search: "provider"}), render(s, english, Filter{Search: "provider"}); &one[0] == &two[0] || l.size != before {
		t.Error("a search was kept")
	}
	for _, language := range languages {
		for page := range 25 {
			render(s, Reader{Lang: language.code}, Filter{Page: page})
			size := 0
			for _, body := range l.kept {
				size += cap(body)
			}
			if size > maxKept || size != l.size {
				t.Fatalf("%d octets are kept, counted as %d", size, l.size)
			}
		}
	}
}
