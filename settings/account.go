package settings

import (
	"cmp"
	"slices"
	"strings"

	"milepost/address"
)

// Account is a provider as seen from one address: what the formats render.
type Account struct {
	// Address is whose account this is. Its Domain is always set; its Local is
	// empty when the request named only the domain.
	Address address.Address
	// Login is the login name that a directory has for the address: what [Login] stands
	// for. Empty: it is not known, and Provider has its fallback in place of [Login].
	Login string
	// FullName is the person's, as the directory has it; empty: it is not known.
	FullName string
	// MXHost is the host of the domain's mail by which the provider was found, asked of
	// DNS; zero: the catalogue names the domain, or a client asked by the host. What is
	// in DNS changes, so nothing that is made of such an account may be kept.
	MXHost address.Domain
	// Provider has its hostnames and URLs filled in for Address. Usernames stay
	// templates: a format may want to keep them so. It may be the catalogue's own,
	// so it must not be changed.
	Provider *Provider

	of     *Provider // of which Provider was made
	inURL  bool      // one of the URLs was filled in with more of the address than its domain
	fromMX bool      // a hostname was filled in with what does not follow from the address
	// byLogin is Provider with [Login] still in it; nil: it has none.
	byLogin *Provider
}

// For makes the account of an address: it fills the placeholders of hostnames
// and URLs in. A server whose hostname would become longer than a name can be is
// left out. So is one at %MXHOST%, unless the address's domain is itself the name of an
// MX host: a client that looks up by MX asks about that. The login name is not known:
// see [Account.WithLogin].
func (p *Provider) For(a address.Address) Account { return p.ForMX(a, a.Domain) }

// ForMX is [Provider.For] for a domain whose MX host is known. The host counts if it
// lies below one of the provider's MX domains, so no other can be slipped in.
func (p *Provider) ForMX(a address.Address, host address.Domain) Account {
	account := Account{Address: a, Provider: p, of: p, inURL: p.urlNamesAddress()}
	if p.isTemplate() {
		if !slices.ContainsFunc(p.MX, func(mx address.Domain) bool { return strings.HasSuffix(host.ASCII, "."+mx.ASCII) }) {
			host = address.Domain{}
		}
		account.fromMX = !host.IsZero() && host != a.Domain && p.atMXHost()
		account.Provider = p.filled(a, host)
	}
	if p.HasLogin() {
		account.byLogin, account.Provider = account.Provider, account.Provider.WithoutLogin()
	}
	return account
}

// TakesLogin tells whether a directory may know more of the account: its provider has
// [Login], and the address is whole. Nothing that is made of such an account may be kept
// or be anybody else's, even if nothing is known.
func (a Account) TakesLogin() bool { return a.byLogin != nil && a.Address.Local != "" }

// WithLogin is the account with what a directory has on its address: the login name and
// the full name, of which either may be empty.
func (a Account) WithLogin(login, fullName string) Account {
	if a.byLogin != nil && login != "" {
		a.Provider, a.Login = a.byLogin, login
	}
	a.FullName = fullName
	return a
}

// HasLogin tells whether a username is [Login].
func (p *Provider) HasLogin() bool {
	return slices.ContainsFunc(p.Incoming, atLogin) || slices.ContainsFunc(p.Outgoing, atLogin) || slices.ContainsFunc(p.Setup, atLogin) ||
		slices.ContainsFunc(p.Services, func(s Service) bool { return s.Username == Login })
}

func atLogin(s Server) bool { return s.Username == Login }

// WithoutLogin is the provider as it is for whoever has no login name: its fallback in
// place of [Login]. It is the provider itself, if that has none.
func (p *Provider) WithoutLogin() *Provider {
	if !p.HasLogin() {
		return p
	}
	q, u := *p, cmp.Or(p.LoginFallback, EmailAddress)
	q.Incoming, q.Outgoing, q.Setup, q.Services = slices.Clone(p.Incoming), slices.Clone(p.Outgoing), slices.Clone(p.Setup), slices.Clone(p.Services)
	for _, servers := range [...][]Server{q.Incoming, q.Outgoing, q.Setup} {
		for i := range servers {
			if atLogin(servers[i]) {
				servers[i].Username = u
			}
		}
	}
	for i := range q.Services {
		if q.Services[i].Username == Login {
			q.Services[i].Username = u
		}
	}
	return &q
}

// Template returns the provider before anything was filled in for the address: the
// catalogue's own, if the account is made by [Provider.For].
func (a Account) Template() *Provider { return a.of }

// atMXHost tells whether a server is at %MXHOST%.
func (p *Provider) atMXHost() bool {
	at := func(s Server) bool { return s.Hostname == MXHost }
	return slices.ContainsFunc(p.Incoming, at) || slices.ContainsFunc(p.Outgoing, at) || slices.ContainsFunc(p.Setup, at)
}

// isTemplate tells whether there is something to fill in.
func (p *Provider) isTemplate() bool {
	inHostname := func(s Server) bool { return hasPlaceholder(s.Hostname) }
	inURL := func(s Service) bool { return hasPlaceholder(s.URL) }
	return slices.ContainsFunc(p.Incoming, inHostname) || slices.ContainsFunc(p.Outgoing, inHostname) || slices.ContainsFunc(p.Setup, inHostname) ||
		slices.ContainsFunc(p.Services, inURL) || hasPlaceholder(p.Webmail) ||
		p.OAuth2 != nil && (hasPlaceholder(p.OAuth2.AuthURL) || hasPlaceholder(p.OAuth2.TokenURL))
}

func (p *Provider) filled(a address.Address, mx address.Domain) *Provider {
	q := *p
	q.Incoming = serversFor(p.Incoming, a.Domain, mx)
	q.Outgoing = serversFor(p.Outgoing, a.Domain, mx)
	q.Setup = serversFor(p.Setup, a.Domain, mx)
	q.Services = slices.Clone(p.Services)
	for i := range q.Services {
		q.Services[i].URL = q.Services[i].URL.For(a)
	}
	if p.OAuth2 != nil {
		o := *p.OAuth2
		o.AuthURL, o.TokenURL = o.AuthURL.For(a), o.TokenURL.For(a)
		q.OAuth2 = &o
	}
	q.Webmail = p.Webmail.For(a)
	return &q
}

// Username returns the login name for a server or service whose username is u:
// the directory's for [Login], or else the template filled in for the address.
func (a Account) Username(u Username) string {
	if u == Login {
		return a.Login
	}
	return u.For(a.Address)
}

// Shared tells whether a document of the account is the same for everybody in
// its domain, if it keeps the username %EMAILADDRESS% as it is.
func (a Account) Shared() bool {
	varies := func(u Username) bool { return u != EmailAddress && namesAddress(u) || u == Login }
	inServer := func(s Server) bool { return varies(s.Username) }
	inService := func(s Service) bool { return varies(s.Username) }
	p := a.Provider
	return !a.TakesLogin() && a.MXHost.IsZero() && !a.inURL && !a.fromMX && !p.urlNamesAddress() &&
		!slices.ContainsFunc(p.Incoming, inServer) && !slices.ContainsFunc(p.Outgoing, inServer) &&
		!slices.ContainsFunc(p.Setup, inServer) && !slices.ContainsFunc(p.Services, inService)
}

// urlNamesAddress tells whether a URL still differs between two addresses of a
// domain.
func (p *Provider) urlNamesAddress() bool {
	return slices.ContainsFunc(p.Services, func(s Service) bool { return namesAddress(s.URL) }) ||
		p.OAuth2 != nil && (namesAddress(p.OAuth2.AuthURL) || namesAddress(p.OAuth2.TokenURL)) || namesAddress(p.Webmail)
}

func namesAddress[S ~string](s S) bool {
	return strings.Contains(string(s), EmailAddress) || strings.Contains(string(s), EmailLocalPart)
}

func hasPlaceholder[S ~string](s S) bool {
	return strings.Contains(string(s), "%EMAIL") || string(s) == MXHost
}

func serversFor(servers []Server, d, mx address.Domain) []Server {
	out := make([]Server, 0, len(servers))
	for _, s := range servers {
		s.Hostname = s.Hostname.For(d)
		if s.Hostname == MXHost {
			s.Hostname = Hostname(mx.ASCII)
		}
		if s.Hostname != "" && len(s.Hostname) <= 253 { // RFC 1035 §3.1
			out = append(out, s)
		}
	}
	return out
}
