package httpd

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/mobileconfig"
	"milepost/settings"
)

func (s *server) mobileconfigRoutes(e *echo.Echo) {
	for _, path := range mobileconfig.Paths {
		get(e, path, s.mobileconfig)
	}
}

func (s *server) mobileconfig(c echo.Context) error {
	r := c.Request()
	request, err := mobileconfig.ParseRequest(r.URL.RawQuery, strings.Join(r.Header["Accept-Language"], ","))
	if err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, err.Error())
	}
	domain := request.Addresses[0].Domain.ASCII
	setDomain(c, domain)
	snapshot := s.current()
	var accounts []settings.Account
	for _, a := range request.Addresses {
		provider, ok := snapshot.Lookup(a.Domain)
		if !ok {
			return unknownDomain(a.Domain)
		}
		accounts = append(accounts, provider.For(a))
	}
	body, err := mobileconfig.Render(accounts, request.Options)
	if errors.Is(err, mobileconfig.ErrNotExpressible) {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	if err != nil {
		return err
	}
	if s.sign != nil {
		if body, err = s.sign(body); err != nil {
			return err
		}
	}
	h := c.Response().Header()
	// A parsed domain holds letters, digits, dots and hyphens alone.
	h.Set(echo.HeaderContentDisposition, `attachment; filename="`+domain+`.mobileconfig"`)
	h.Add(echo.HeaderVary, "Accept-Language")
	return transient(c, http.StatusOK, mobileconfig.ContentType, body)
}
