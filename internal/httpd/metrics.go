package httpd

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/formats"
	"milepost/internal/lookup"
	"milepost/internal/metrics"
	"milepost/settings"
)

// kind is what requests are counted and logged as: a format's name, or else the path
// of the route.
type kind struct {
	name   string
	counts *metrics.Format
}

// kinds are those of all routes, by their paths.
type kinds map[string]*kind

func newKinds(m *metrics.Metrics, routes []*echo.Route) kinds {
	ks := make(kinds)
	add := func(path, name string) { ks[path] = &kind{name, m.Format(name)} }
	add("", "none")
	for _, f := range formats.Table() {
		for _, path := range f.Paths {
			if f.Name != "" { // a row without a name answers at the path of one that has
				add(path, f.Name)
			}
		}
	}
	for _, r := range routes {
		if ks[r.Path] == nil {
			add(r.Path, r.Path)
		}
	}
	return ks
}

// of returns the kind of a route.
func (ks kinds) of(path string) *kind {
	if k := ks[path]; k != nil {
		return k
	}
	return ks[""]
}

// lookUp finds the accounts of a question. People's may be looked up in DNS where
// programs' are not.
func (x *exchange) lookUp(q lookup.Question, peoples bool) ([]settings.Account, error) {
	var mx lookup.Resolver
	if by := x.snapshot.Config.Lookup.MX; x.server.Resolver != nil && (by == config.MXAll || by == config.MXPages && peoples) {
		mx = x
	}
	var logins lookup.Logins
	if x.server.Logins != nil {
		logins = x
	}
	q.By = lookup.Asker{Client: x.client, Encrypted: x.secure}
	accounts, err := lookup.Accounts(x.Request().Context(), x.snapshot.Catalogue, mx, logins, q)
	x.metrics.LookedUp(x.found(accounts, err))
	return accounts, err
}

// MX looks a domain up, if the client has not had its share.
func (x *exchange) MX(ctx context.Context, d address.Domain) []address.Domain {
	if !x.server.limits.mayLookUp(x.client, x.server.Now()) {
		x.metrics.MXLookedUp(metrics.MXLimited)
		return nil
	}
	return x.server.Resolver.MX(ctx, d)
}

// Login asks a directory, and lets the answer go at a beat alone: how long it takes until
// then tells whether the directory knows the address.
func (x *exchange) Login(ctx context.Context, provider string, a address.Address, by lookup.Asker) (lookup.Login, error) {
	if !x.held {
		x.held = true
		x.Response().Before(x.server.beat.begin(ctx))
	}
	return x.server.Logins.Login(ctx, provider, a, by)
}

func (x *exchange) found(accounts []settings.Account, err error) metrics.Lookup {
	if err != nil {
		if unknown, ok := errors.AsType[*lookup.UnknownDomain](err); ok && !unknown.Domain.IsZero() {
			return metrics.Unknown
		}
		return metrics.Refused
	}
	if len(accounts) > 0 && !accounts[0].MXHost.IsZero() {
		return metrics.ByMX
	}
	c := x.snapshot.Catalogue
	if p, ok := c.Default(); ok && len(accounts) > 0 && accounts[0].Provider.ID == p.ID {
		if _, named := c.LookupWithoutDefault(accounts[0].Address.Domain); !named {
			return metrics.Default
		}
	}
	return metrics.Known
}

// count counts a request that is answered.
func (x *exchange) count(took time.Duration) {
	x.kind.counts.Answered(x.agent, x.Response().Status, took)
}
