package lookup_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/internal/lookup"
)

// directory answers from memory, and notes what it is asked.
type directory struct {
	known map[string]lookup.Login // by address
	tells bool
	asked []string
}

func (d *directory) Login(_ context.Context, provider string, a address.Address, by lookup.Asker) (lookup.Login, error) {
	d.asked = append(d.asked, provider+" "+a.String())
	if !by.Encrypted {
		return lookup.Login{}, nil
	}
	l, ok := d.known[a.String()]
	if !ok && d.tells {
		return l, &lookup.UnknownAddress{Domain: a.Domain}
	}
	return l, nil
}

func TestLogins(t *testing.T) {
	hosted := strings.Replace(fixture.Family, `hostname = "mail.example.com"`, "hostname = \"mail.example.com\"\nusername = \"%LOGIN%\"", 1)
	c := fixture.Catalogue(t, "hosted.toml", hosted, "plain.toml", provider("plain", `["example.net"]`))
	known := map[string]lookup.Login{"fred@example.com": {Name: "u77", FullName: "Fred Example"}, "anna@example.com": {Name: "u78"}, "fred@example.net": {Name: "wrong"}}
	for _, tc := range []struct {
		name, addresses, host string
		clear, tells          bool
		want                  string // username and full name of each account, or the error
		asked                 string
	}{
		{name: "known", addresses: "fred@example.com", want: "u77 Fred Example", asked: "hosted fred@example.com"},
		{name: "not known", addresses: "x@example.com", want: "x@example.com ", asked: "hosted x@example.com"},
		{name: "who asks is passed on", addresses: "fred@example.com", clear: true, want: "fred@example.com ", asked: "hosted fred@example.com"},
		{name: "a domain alone", addresses: "@example.com", want: "%EMAILADDRESS% "},
		{name: "somebody at the Host's", addresses: "-", host: "example.com", want: "%EMAILADDRESS% "},
		{name: "a customer's domain, by the hoster's Host", addresses: "fred@customer.example", host: "example.com", want: "fred@customer.example ", asked: "hosted fred@customer.example"},
		{name: "a provider without directory", addresses: "fred@example.net", want: "fred@example.net "},
		{name: "unknown, and told", addresses: "x@example.com", tells: true, want: "no such address is known at example.com", asked: "hosted x@example.com"},
		{name: "several", addresses: "fred@example.com fred@example.net anna@example.com", want: "u77 Fred Example, fred@example.net , u78 ", asked: "hosted fred@example.com, hosted anna@example.com"},
		{name: "more than are asked for", addresses: "a@example.com b@example.com c@example.com d@example.com fred@example.com",
			want: "a@example.com , b@example.com , c@example.com , d@example.com , fred@example.com ", asked: "hosted a@example.com, hosted b@example.com, hosted c@example.com, hosted d@example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &directory{known: known, tells: tc.tells}
			q := question(t, tc.addresses, tc.host)
			q.By.Encrypted = !tc.clear
			accounts, err := lookup.Accounts(t.Context(), c, nil, d, q)
			var words []string
			for _, a := range accounts {
				words = append(words, a.Username(a.Provider.Incoming[0].Username)+" "+a.FullName)
			}
			got := strings.Join(words, ", ")
			if err != nil {
				got = err.Error()
				if _, ok := errors.AsType[*lookup.UnknownDomain](err); !ok {
					t.Error("it is no *UnknownDomain")
				}
			}
			if asked := strings.Join(d.asked, ", "); got != tc.want || asked != tc.asked {
				t.Errorf("%s\nasked: %s", got, asked)
			}
		})
	}
}
