package httpd

import (
	"errors"

	"github.com/labstack/echo/v4"

	"milepost/autoconfig"
)

func (s *server) autoconfigRoutes(e *echo.Echo) {
	for _, path := range autoconfig.Paths {
		get(e, path, s.autoconfig)
	}
	for _, folder := range autoconfig.ISPDBPaths {
		get(e, folder+":domain", s.autoconfig)
	}
}

func (s *server) autoconfig(c echo.Context) error {
	r := c.Request()
	request := autoconfig.ParseRequest(r.Host, r.URL.Path, r.URL.RawQuery)
	asked := request.For()
	setDomain(c, asked.Domain.ASCII)
	snapshot := s.current()
	provider, ok := snapshot.LookupFirst(request.Domains()...)
	if !ok {
		return noSettings(request)
	}
	account := provider.For(asked)
	render := func() ([]byte, error) { return autoconfig.Render(account) }
	cache := cachePublic
	if asked.Local != "" {
		cache = cachePrivate
		if !account.Shared() {
			body, err := render()
			if err != nil {
				return notFound(err)
			}
			return document(c, autoconfig.ContentType, cache, rendered{body, entityTag(body)})
		}
	}
	doc, err := s.autoconfigs.get(snapshot, documentKey{provider, asked.Domain.ASCII}, render)
	if err != nil {
		return notFound(err)
	}
	return document(c, autoconfig.ContentType, cache, doc)
}

// noSettings says why there is no answer, for the person who reads it.
func noSettings(r autoconfig.Request) error {
	switch asked := r.For(); {
	case r.Err != nil:
		return notFound(r.Err)
	case asked.Domain.IsZero():
		return notFound(errors.New("no domain to look up: ask by the host name autoconfig.DOMAIN, or add ?emailaddress=ADDRESS"))
	default:
		return unknownDomain(asked.Domain)
	}
}
