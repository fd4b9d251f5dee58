package pages

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/settings"
)

func TestSuggest(t *testing.T) {
	shipped := NewList(fixture.Shipped(t).Providers(), nil)
	for _, tc := range []struct{ name, typed, want string }{
		{"a wrong letter", "gmail.con", "gmail.com"},
		{"neighbours exchanged", "gmial.com", "gmail.com"},
		{"a letter too few", "hotmal.com", "hotmail.com"},
		{"a letter too many", "outloook.com", "outlook.com"},
		{"the dot forgotten", "gmailcom", "gmail.com"},
		{"two mistakes", "outlok.con", "outlook.com"},
		{"two mistakes in a short name", "gmz.con", ""},
		{"the nearest alone", "orange.rf", "orange.fr"},
		{"nothing after the name", "gmail", "gmail.com"},
		{"nothing after a name of many", "hotmail", "hotmail.com"},
		{"nothing after a name that no .com has", "laposte", "laposte.net"},
		{"a name that nobody has", "company", ""},
		{"right", "gmail.com", ""},
		{"nothing like it", "company.example", ""},
		{"a closed service", "myopera.con", ""},
		{"long", strings.Repeat("a", 60) + ".example", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := address.ParseDomain(tc.typed)
			if err != nil {
				t.Fatal(err)
			}
			got := shipped.Suggest(d)
			if tc.want == "" && slices.Contains(got, tc.typed) || tc.want != "" && (len(got) == 0 || got[0] != tc.want) || tc.want == "" && tc.typed != "gmail.com" && len(got) > 0 {
				t.Errorf("%q", got)
			}
		})
	}
}

// newOwn is the list of an admin's one provider.
func newOwn(p *settings.Provider) *List {
	return NewList([]*settings.Provider{p}, []*settings.Provider{p})
}

// A hoster's customers are offered to nobody, and many domains are no reason to look
// through them all.
func TestSuggestNoCustomers(t *testing.T) {
	provider := func(id string, n int) *settings.Provider {
		p := &settings.Provider{ID: id, DisplayName: id}
		for i := range n {
			d, err := address.ParseDomain(fmt.Sprintf("customer-%d.%s", i, id))
			if err != nil {
				t.Fatal(err)
			}
			p.Domains = append(p.Domains, settings.DomainPattern{Domain: d})
		}
		return p
	}
	typed, err := address.ParseDomain("customer-77.hoster.exmple")
	if err != nil {
		t.Fatal(err)
	}
	if got := newOwn(provider("hoster.example", 101)).Suggest(typed); len(got) != 0 {
		t.Errorf("customers: %q", got)
	}
	if got := newOwn(provider("hoster.example", 100)).Suggest(typed); !slices.Equal(got, []string{"customer-77.hoster.example"}) {
		t.Errorf("what the page shows: %q", got)
	}
	var many []*settings.Provider
	for i := range 1 + maxSpellings/100 {
		many = append(many, provider(fmt.Sprintf("h%d.example", i), 100))
	}
	n := 0
	for _, s := range NewList(many, nil).spellings {
		n += len(s)
	}
	if n != maxSpellings {
		t.Errorf("%d are compared", n)
	}
}

func BenchmarkSuggest(b *testing.B) {
	l := NewList(fixture.Shipped(b).Providers(), nil)
	for _, typed := range []string{"gmail.con", "outlok.con", "company.example"} {
		d, err := address.ParseDomain(typed)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(typed, func(b *testing.B) {
			for b.Loop() {
				l.Suggest(d)
			}
		})
	}
}
