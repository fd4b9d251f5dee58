package lookup_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
)

// hosts is DNS: the hosts of each domain. It notes what it was asked.
type hosts struct {
	of    map[string]string
	asked []string
}

func (h *hosts) MX(_ context.Context, d address.Domain) (found []address.Domain) {
	h.asked = append(h.asked, d.ASCII)
	for name := range strings.FieldsSeq(h.of[d.ASCII]) {
		host, err := address.ParseDomain(name)
		if err != nil {
			panic(err)
		}
		found = append(found, host)
	}
	return found
}

// DNS is asked about a domain that nobody names, and only a host of the catalogue's
// makes an answer.
func TestByMX(t *testing.T) {
	files := []string{
		"family.toml", provider("family", `["example.com"]`),
		"hoster.toml", provider("hoster", "[\"hoster.example\"]\nmx = [\"mx.hoster.example\"]"),
		"servers.toml", strings.ReplaceAll(provider("servers", "[]\nmx = [\"servers.example\"]"), "servers.%EMAILDOMAIN%", "%MXHOST%"),
	}
	named := fixture.Catalogue(t, files...)
	withDefault := fixture.Catalogue(t, append(files, "default.toml", provider("default", `["*"]`))...)
	of := map[string]string{
		"customer.example":      "in1.mx.hoster.example in2.mx.hoster.example",
		"own.example":           "mx.own.example",
		"named.example":         "www.hoster.example", // below a domain of the hoster's, but no MX host
		"at-family.example":     "example.com",
		"moving.example":        "in1.mx.hoster.example w1.servers.example",
		"half.example":          "gateway.example in1.mx.hoster.example",
		"atserver.example":      "w1.servers.example w2.servers.example",
		"xn--bcher-kva.example": "in1.mx.hoster.example",
	}
	const unknown = "no provider is known for the domain "
	for _, tc := range []struct {
		name, addresses, host string
		typed                 bool
		err                   error
		asked                 string // DNS was
		want                  string
	}{
		{name: "a customer", addresses: "fred@customer.example", asked: "customer.example", want: "hoster.customer.example fred@customer.example by in1.mx.hoster.example"},
		{name: "a domain alone", addresses: "@customer.example", asked: "customer.example", want: "hoster.customer.example @customer.example by in1.mx.hoster.example"},
		{name: "an internationalised one", addresses: "fred@bücher.example", asked: "xn--bcher-kva.example", want: "hoster.xn--bcher-kva.example fred@xn--bcher-kva.example by in1.mx.hoster.example"},
		{name: "the Host's domain", addresses: "-", host: "customer.example", asked: "customer.example", want: "hoster.customer.example @customer.example by in1.mx.hoster.example"},
		{name: "a server named by its MX host", addresses: "fred@atserver.example", asked: "atserver.example", want: "w1.servers.example fred@atserver.example by w1.servers.example"},
		{name: "a host of nobody's beside it", addresses: "fred@half.example", asked: "half.example", want: "hoster.half.example fred@half.example by in1.mx.hoster.example"},
		{name: "two providers", addresses: "fred@moving.example", asked: "moving.example", want: unknown + "moving.example"},
		{name: "its own server", addresses: "fred@own.example", asked: "own.example", want: unknown + "own.example"},
		{name: "no MX", addresses: "fred@nothing.example", asked: "nothing.example", want: unknown + "nothing.example"},
		{name: "a host that is a domain, and no MX domain", addresses: "fred@at-family.example", asked: "at-family.example", want: unknown + "at-family.example"},
		{name: "a host below one", addresses: "fred@named.example", asked: "named.example", want: unknown + "named.example"},
		{name: "known", addresses: "fred@example.com", want: "family.example.com fred@example.com"},
		{name: "known by the Host", addresses: "fred@customer.example", host: "in2.mx.hoster.example", want: "hoster.customer.example fred@customer.example"},
		{name: "a login name", addresses: "@jean.dupont", typed: true, want: address.ErrNoAt.Error()},
		{name: "an address that cannot be read", addresses: "-", host: "customer.example", err: errors.New("it is cut"), want: "it is cut"},
		{name: "nothing", addresses: "-", want: "no domain to look up: ask by the host name autoconfig.DOMAIN or autodiscover.DOMAIN; autoconfig also takes ?emailaddress=ADDRESS"},
		{name: "two of one domain", addresses: "fred@customer.example anna@customer.example", asked: "customer.example customer.example",
			want: "hoster.customer.example fred@customer.example by in1.mx.hoster.example, hoster.customer.example anna@customer.example by in1.mx.hoster.example"},
		{name: "two domains", addresses: "fred@customer.example anna@half.example", asked: "customer.example", want: unknown + "half.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := question(t, tc.addresses, tc.host)
			q.Typed, q.Err = tc.typed, tc.err
			dns := &hosts{of: of}
			if got := found(t, named, dns, q); got != tc.want || strings.Join(dns.asked, " ") != tc.asked {
				t.Errorf("%s; asked %v\nwant %s; %s", got, dns.asked, tc.want, tc.asked)
			}
			dns = &hosts{of: of}
			found(t, withDefault, dns, q)
			if !slices.Equal(dns.asked, nil) {
				t.Errorf("with a default provider, DNS was asked about %v", dns.asked)
			}
		})
	}
}
