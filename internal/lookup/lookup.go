// Package lookup finds the accounts that a question is about. It is the one place
// that asks the catalogue, DNS and the directories of login names.
package lookup

import (
	"context"

	"milepost/address"
	"milepost/settings"
)

// Catalogue finds the provider that serves a domain. A [catalogue.Catalogue] does.
//
// [catalogue.Catalogue]: milepost/catalogue
type Catalogue interface {
	Lookup(address.Domain) (*settings.Provider, bool)
	// LookupWithoutDefault finds it unless that is the default provider.
	LookupWithoutDefault(address.Domain) (*settings.Provider, bool)
	// LookupMX finds the provider that an MX host belongs to.
	LookupMX(host address.Domain) (*settings.Provider, bool)
}

// Resolver asks DNS for the hosts that take a domain's mail: those of the lowest
// preference, as [mx.Resolver] does. It says nothing where it does not know, and is
// never slow.
//
// [mx.Resolver]: milepost/internal/mx
type Resolver interface {
	MX(ctx context.Context, d address.Domain) []address.Domain
}

// Question is about whom a request asks.
type Question struct {
	// Addresses are whose accounts are wanted. One without Local stands for somebody
	// in its domain, one without Domain for somebody at the Host's.
	Addresses []address.Address
	// Host stands for the mail domain itself, or for that of its MX host. It is zero
	// where it does not matter.
	Host address.Host
	// Err says why an address could not be read. The rest may be enough all the same.
	Err error
	// By is who asks.
	By Asker
	// Typed tells that a person typed it. What has no @ is most likely a login name
	// then, and a domain only if a provider names it.
	Typed bool
}

// Domain returns the domain that the question is about; zero: there is none.
func (q Question) Domain() address.Domain {
	if len(q.Addresses) > 0 && !q.Addresses[0].Domain.IsZero() {
		return q.Addresses[0].Domain
	}
	return q.Host.Domain()
}

// UnknownDomain is the error about a domain that no provider serves; without
// Domain, about a question that names none.
type UnknownDomain struct{ Domain address.Domain }

func (e *UnknownDomain) Error() string {
	if e.Domain.IsZero() {
		return "no domain to look up: ask by the host name autoconfig.DOMAIN or autodiscover.DOMAIN; autoconfig also takes ?emailaddress=ADDRESS"
	}
	return "no provider is known for the domain " + e.Domain.ASCII
}

// UnknownAddress is the error about an address that its provider's directory does not
// have, where the admin wants that to be told. For [errors.As] it is an [*UnknownDomain]
// too: whoever refuses that refuses it in the same way.
type UnknownAddress struct{ Domain address.Domain }

func (e *UnknownAddress) Error() string { return "no such address is known at " + e.Domain.ASCII }

// Unwrap returns the error about the domain.
func (e *UnknownAddress) Unwrap() error { return &UnknownDomain{e.Domain} }

// maxLogins is for how many addresses of a question a directory is asked. A profile may
// list more, and a stranger would try as many in one request.
const maxLogins = 4

// Accounts returns the account of each address of a question, with the provider's
// settings filled in. A domain that no provider serves is looked up in DNS (nil: it is
// not), if it is the question's first: one request causes one look-up at most. Login
// names (nil: none is known) are looked up for its first four addresses. The
// error is the question's own, an [*UnknownDomain], an [*UnknownAddress], or
// [address.ErrNoAt], which is to stay out of the log.
func Accounts(ctx context.Context, c Catalogue, mx Resolver, logins Logins, q Question) ([]settings.Account, error) {
	accounts := make([]settings.Account, 0, 1)
	for i, a := range q.Addresses {
		if a.Domain != q.Addresses[0].Domain {
			mx = nil
		}
		account, err := account(ctx, c, mx, q, a)
		if err != nil {
			return nil, err
		}
		if logins != nil && i < maxLogins && account.TakesLogin() {
			known, err := logins.Login(ctx, account.Provider.ID, account.Address, q.By)
			if err != nil {
				return nil, err
			}
			account = account.WithLogin(known.Name, known.FullName)
		}
		accounts = append(accounts, account)
	}
	return accounts, nil
}

// account finds the account of an address: at the provider of its domain, or else at
// that of the host name. A client that looks up by MX sends a customer's address to
// its hoster's name. Then comes the default provider, and DNS last: with a default
// provider there is nothing to ask it.
func account(ctx context.Context, c Catalogue, mx Resolver, q Question, a address.Address) (settings.Account, error) {
	if p, ok := c.LookupWithoutDefault(a.Domain); ok {
		return p.For(a), nil
	}
	if q.Typed && a.Local == "" {
		return settings.Account{}, address.ErrNoAt
	}
	host := q.Host.Domain()
	p, ok := c.LookupWithoutDefault(host)
	if a.Domain.IsZero() {
		a.Domain = host
	}
	if !ok && !a.Domain.IsZero() {
		p, ok = c.Lookup(a.Domain)
	}
	switch {
	case ok:
		return p.ForMX(a, host), nil
	case q.Err != nil:
		return settings.Account{}, q.Err
	}
	if p, host := byMX(ctx, c, mx, a.Domain); p != nil {
		account := p.ForMX(a, host)
		account.MXHost = host
		return account, nil
	}
	return settings.Account{}, &UnknownDomain{a.Domain}
}

// byMX finds the provider that has a domain's mail, and the host by which it was found.
// Hosts of two providers say nothing: the mail is in one place, and nobody knows in
// which.
func byMX(ctx context.Context, c Catalogue, mx Resolver, d address.Domain) (found *settings.Provider, by address.Domain) {
	if mx == nil || d.IsZero() {
		return nil, address.Domain{}
	}
	for _, host := range mx.MX(ctx, d) {
		p, ok := c.LookupMX(host)
		switch {
		case !ok:
		case found == nil:
			found, by = p, host
		case p != found:
			return nil, address.Domain{}
		}
	}
	return found, by
}
