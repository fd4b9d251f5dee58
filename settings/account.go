package settings

import (
	"slices"
	"strings"

	"milepost/address"
)

// Account is a provider as seen from one address: what the formats render.
type Account struct {
	// Address is whose account this is. Its Domain is always set; its Local is
	// empty when the request named only the domain.
	Address address.Address
	// Provider has its hostnames and URLs filled in for Address. Usernames stay
	// templates: whether to fill them is each format's own matter.
	Provider Provider
}

// For fills the placeholders of hostnames and URLs in for an address. A server
// whose hostname would become longer than a name can be is left out. Lists
// without placeholders are shared with p, so they must not be changed.
func (p *Provider) For(a address.Address) Account {
	q := *p
	q.Incoming = serversFor(p.Incoming, a.Domain)
	q.Outgoing = serversFor(p.Outgoing, a.Domain)
	q.Setup = serversFor(p.Setup, a.Domain)
	if slices.ContainsFunc(p.Services, func(s Service) bool { return hasPlaceholder(s.URL) }) {
		q.Services = slices.Clone(p.Services)
		for i := range q.Services {
			q.Services[i].URL = q.Services[i].URL.For(a)
		}
	}
	if p.OAuth2 != nil && (hasPlaceholder(p.OAuth2.AuthURL) || hasPlaceholder(p.OAuth2.TokenURL)) {
		o := *p.OAuth2
		o.AuthURL, o.TokenURL = o.AuthURL.For(a), o.TokenURL.For(a)
		q.OAuth2 = &o
	}
	q.Webmail = p.Webmail.For(a)
	return Account{Address: a, Provider: q}
}

func hasPlaceholder[S ~string](s S) bool { return strings.Contains(string(s), "%EMAIL") }

func serversFor(servers []Server, d address.Domain) []Server {
	if !slices.ContainsFunc(servers, func(s Server) bool { return hasPlaceholder(s.Hostname) }) {
		return servers
	}
	out := make([]Server, 0, len(servers))
	for _, s := range servers {
		s.Hostname = s.Hostname.For(d)
		if len(s.Hostname) <= 253 { // RFC 1035 §3.1
			out = append(out, s)
		}
	}
	return out
}
