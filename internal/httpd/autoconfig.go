package httpd

import (
	"github.com/labstack/echo/v4"

	"milepost/autoconfig"
)

func (s *server) autoconfigRoutes(e *echo.Echo) {
	for _, path := range []string{
		"/mail/config-v1.1.xml",                        // at autoconfig.DOMAIN
		"/.well-known/autoconfig/mail/config-v1.1.xml", // at DOMAIN
		"/v1.1/mail/config-v1.1.xml",                   // Nine asks here
	} {
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
		return notFound(request.Unknown())
	}
	render := func() ([]byte, error) { return autoconfig.Render(provider.For(asked)) }
	cache := cachePublic
	if asked.Local != "" {
		cache = cachePrivate
		if autoconfig.NamesAddress(provider) {
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
