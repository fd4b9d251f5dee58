package httpd

import (
	"errors"
	"time"

	"github.com/labstack/echo/v4"

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

// lookUp finds the accounts of a question.
func (x *exchange) lookUp(q lookup.Question) ([]settings.Account, error) {
	accounts, err := lookup.Accounts(x.snapshot.Catalogue, q)
	x.metrics.LookedUp(x.found(accounts, err))
	return accounts, err
}

func (x *exchange) found(accounts []settings.Account, err error) metrics.Lookup {
	if err != nil {
		if unknown, ok := errors.AsType[*lookup.UnknownDomain](err); ok && !unknown.Domain.IsZero() {
			return metrics.Unknown
		}
		return metrics.Refused
	}
	c := x.snapshot.Catalogue
	if p, ok := c.Default(); ok && len(accounts) > 0 && accounts[0].Provider == p {
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
