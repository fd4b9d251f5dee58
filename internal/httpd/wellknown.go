package httpd

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/address"
	"milepost/internal/lookup"
	"milepost/settings"
)

// wellKnown are the paths that lead to a provider's services (RFC 6764 §5, RFC 8620
// §2.2).
var wellKnown = map[string]settings.Protocol{
	"/.well-known/caldav":  settings.CalDAV,
	"/.well-known/carddav": settings.CardDAV,
	"/.well-known/jmap":    settings.JMAP,
}

// wellKnownRoutes answer every method: Macs, iPhones and Thunderbird begin with
// PROPFIND.
func (s *server) wellKnownRoutes(e *echo.Echo) {
	for path, protocol := range wellKnown {
		answer := func(c echo.Context) error { return toService(c.(*exchange), protocol) }
		e.Any(path, answer)
		e.Any(path+"/", answer)
	}
}

// toService sends a client to a service of the provider of the Host's domain. 307
// keeps the method, whichever it is (RFC 9110 §15.4.8); after 301 some programs would
// go on with GET.
func toService(x *exchange, protocol settings.Protocol) error {
	host := address.Host{Header: x.Request().Host, Label: "autoconfig"}
	x.domain = host.Domain().ASCII
	url, err := serviceURL(x.snapshot.Catalogue, host.Domain(), protocol)
	if err != nil {
		return echo.NewHTTPError(http.StatusNotFound, err.Error())
	}
	if to := string(url); strings.EqualFold(strings.TrimSuffix(to, "/"), "https://"+strings.TrimSuffix(x.Request().Host+x.Request().URL.Path, "/")) {
		return echo.NewHTTPError(http.StatusNotFound, to+" is this address; the provider's file needs another")
	}
	x.Response().Header().Set(echo.HeaderCacheControl, cachePublic)
	x.Response().Header().Set(echo.HeaderAccessControlAllowOrigin, "*") // as for documents
	return x.Redirect(http.StatusTemporaryRedirect, string(url))
}

// serviceURL finds where a domain's service of a protocol is. Of the request it takes no
// more than a domain that a provider names: with the default provider anything can be in
// Host, so its URLs stay as they are.
func serviceURL(c lookup.Catalogue, d address.Domain, protocol settings.Protocol) (settings.URL, error) {
	p, ok := c.LookupWithoutDefault(d)
	switch {
	case ok:
		p = p.For(address.Address{Domain: d}).Provider
	case d.IsZero():
		return "", errors.New("no domain to look up: ask by the host name DOMAIN or autoconfig.DOMAIN")
	default:
		if p, ok = c.Lookup(d); !ok {
			return "", &lookup.UnknownDomain{Domain: d}
		}
	}
	if service := p.Service(protocol); service.URL != "" {
		return service.URL, nil
	}
	if slices.ContainsFunc(p.Services, func(s settings.Service) bool { return s.Protocol == protocol }) {
		return "", fmt.Errorf("where the %s service is depends on the address, which is not known here; ask for /mail/config-v1.1.xml?emailaddress=ADDRESS", protocol)
	}
	return "", fmt.Errorf("the provider of %s offers no %s service", d, protocol)
}
