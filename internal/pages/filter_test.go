package pages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFilter(t *testing.T) {
	for _, tc := range []struct {
		name, query string
		want        Filter
		domain      string // that the search names; empty: none
	}{
		{"nothing", "", Filter{}, ""},
		{"a form", "q=mail+post&country=FR&sort=country", Filter{Search: "mail post", Country: "FR", ByCountry: true}, ""},
		{"capitals", "Q=gmx.de&COUNTRY=fr&SORT=country", Filter{Search: "gmx.de", Country: "FR", ByCountry: true}, "gmx.de"},
		{"a form without choices", "q=&country=&sort=name", Filter{}, ""},
		{"an address", "q=fred%40gmx.de", Filter{Search: "fred@gmx.de"}, "gmx.de"},
		{"space around a domain", "q=+gmx.de+", Filter{Search: " gmx.de "}, "gmx.de"},
		{"a semicolon", "q=a;b", Filter{Search: "a;b"}, ""},
		{"a stray %", "q=100%", Filter{Search: "100%"}, ""},
		{"not UTF-8", "q=caf%e9", Filter{Search: "caf\ufffd"}, ""},
		{"too long", "q=" + strings.Repeat("a", 299) + "%c3%a9", Filter{Search: strings.Repeat("a", 299) + "\ufffd"}, ""},
		{"a page", "page=3&country=FR", Filter{Country: "FR", Page: 2}, ""},
		{"a page before the first", "page=0", Filter{}, ""},
		{"a page that is no number", "page=99999999999999999999", Filter{}, ""},
		{"no country", "country=nowhere", Filter{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ParseFilter(tc.query)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if d, ok := got.Domain(); ok != (tc.domain != "") || ok && d.ASCII != tc.domain {
				t.Errorf("domain %v", d)
			}
			if again := ParseFilter(got.query()); !cmp.Equal(got, again) {
				t.Errorf("its own link asks for %v", again)
			}
		})
	}
}
