package lookup_test

import (
	"errors"
	"strings"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/internal/lookup"
)

// provider is the file of one whose servers have its name.
func provider(name, domains string) string {
	return strings.NewReplacer(`["example.com"]`, domains, "mail.example.com", name+".%EMAILDOMAIN%").Replace(fixture.Family)
}

func TestAccounts(t *testing.T) {
	files := []string{
		"family.toml", provider("family", `["example.com"]`),
		"servers.toml", strings.ReplaceAll(provider("servers", "[]\nmx = [\"servers.example\"]"), "servers.%EMAILDOMAIN%", "%MXHOST%"),
		"hoster.toml", provider("hoster", "[\"hoster.example\", \"*.hoster.test\"]\nmx = [\"mx.hoster.example\"]"),
	}
	named := fixture.Catalogue(t, files...)
	withDefault := fixture.Catalogue(t, append(files, "default.toml", provider("default", `["*"]`))...)
	errRead := errors.New("the address cannot be read")
	for _, tc := range []struct {
		name, addresses, host string
		typed                 bool
		err                   error  // the question's own
		want, wantDefault     string // incoming server and address of each account, or the error; the latter: with a default provider, if that is something else
	}{
		{name: "named", addresses: "fred@example.com", want: "family.example.com fred@example.com"},
		{name: "wildcard", addresses: "fred@a.hoster.test", want: "hoster.a.hoster.test fred@a.hoster.test"},
		{name: "below an MX domain", addresses: "fred@in.mx.hoster.example", want: "hoster.in.mx.hoster.example fred@in.mx.hoster.example"},
		{name: "unknown", addresses: "fred@customer.example", want: "no provider is known for the domain customer.example", wantDefault: "default.customer.example fred@customer.example"},
		{name: "MX by Host", addresses: "fred@customer.example", host: "mx.hoster.example", want: "hoster.customer.example fred@customer.example"},
		{name: "MX by Host, whose name the server has", addresses: "fred@customer.example", host: "w1.servers.example", want: "w1.servers.example fred@customer.example"},
		{name: "the MX host itself", addresses: "@w1.servers.example", want: "w1.servers.example @w1.servers.example"},
		{name: "the address before the Host", addresses: "fred@example.com", host: "mx.hoster.example", want: "family.example.com fred@example.com"},
		{name: "neither address nor Host", addresses: "fred@customer.example", host: "proxy.example", want: "no provider is known for the domain customer.example", wantDefault: "default.customer.example fred@customer.example"},
		{name: "somebody at the Host's", addresses: "-", host: "example.com", want: "family.example.com @example.com"},
		{name: "somebody in a domain", addresses: "@example.com", want: "family.example.com @example.com"},
		{name: "an unreadable address, Host known", addresses: "-", host: "example.com", err: errRead, want: "family.example.com @example.com"},
		{name: "an unreadable address, Host unknown", addresses: "-", host: "proxy.example", err: errRead, want: errRead.Error(), wantDefault: "default.proxy.example @proxy.example"},
		{name: "none", addresses: "-", want: "no domain to look up: ask by the host name autoconfig.DOMAIN or autodiscover.DOMAIN; autoconfig also takes ?emailaddress=ADDRESS"},
		{name: "several", addresses: "fred@example.com anna@hoster.example", want: "family.example.com fred@example.com, hoster.hoster.example anna@hoster.example"},
		{name: "several, one unknown", addresses: "fred@example.com anna@customer.example", want: "no provider is known for the domain customer.example",
			wantDefault: "family.example.com fred@example.com, default.customer.example anna@customer.example"},
		{name: "typed", typed: true, addresses: "fred@customer.example", want: "no provider is known for the domain customer.example", wantDefault: "default.customer.example fred@customer.example"},
		{name: "typed without @, named", typed: true, addresses: "@a.hoster.test", want: "hoster.a.hoster.test @a.hoster.test"},
		{name: "typed without @, a name", typed: true, addresses: "@jean.dupont", want: address.ErrNoAt.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := question(t, tc.addresses, tc.host)
			q.Err, q.Typed = tc.err, tc.typed
			if tc.wantDefault == "" {
				tc.wantDefault = tc.want
			}
			if got := found(t, named, nil, q); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if got := found(t, withDefault, nil, q); got != tc.wantDefault {
				t.Errorf("with a default provider: %s\nwant %s", got, tc.wantDefault)
			}
		})
	}
}

// question asks about addresses: "@DOMAIN" has no local part, "-" nothing.
func question(t testing.TB, addresses, host string) (q lookup.Question) {
	t.Helper()
	for _, text := range strings.Fields(addresses) {
		switch domain, alone := strings.CutPrefix(text, "@"); {
		case text == "-":
			q.Addresses = append(q.Addresses, address.Address{})
		case alone:
			q.Addresses = append(q.Addresses, address.Address{Domain: fixture.Domain(t, domain)})
		default:
			q.Addresses = append(q.Addresses, fixture.Address(t, text))
		}
	}
	if host != "" {
		q.Host = address.Host{Header: host, Label: "autoconfig"}
	}
	return q
}

// found is incoming server and address of each account, with the MX host by which it
// was found, or the error.
func found(t *testing.T, c lookup.Catalogue, mx lookup.Resolver, q lookup.Question) string {
	accounts, err := lookup.Accounts(t.Context(), c, mx, nil, q)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, a := range accounts {
		text := string(a.Provider.Incoming[0].Hostname) + " " + a.Address.Local + "@" + a.Address.Domain.ASCII
		if !a.MXHost.IsZero() {
			text += " by " + a.MXHost.ASCII
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestDomain(t *testing.T) {
	mail, hoster := fixture.Domain(t, "example.com"), fixture.Domain(t, "hoster.example")
	host := address.Host{Header: "AutoConfig.hoster.example:8080", Label: "autoconfig"}
	for _, tc := range []struct {
		name string
		q    lookup.Question
		want address.Domain
	}{
		{"the address's", lookup.Question{Addresses: []address.Address{{Domain: mail}}, Host: host}, mail},
		{"the Host's", lookup.Question{Addresses: []address.Address{{}}, Host: host}, hoster},
		{"no address", lookup.Question{Host: host}, hoster},
		{"none", lookup.Question{}, address.Domain{}},
	} {
		if got := tc.q.Domain(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
