package httpd

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/autodiscover"
)

func (s *server) autodiscoverRoutes(e *echo.Echo) {
	e.POST(autodiscover.POXPath, s.autodiscoverPOST)
	get(e, autodiscover.POXPath, s.autodiscoverGET)
	get(e, autodiscover.JSONPath, s.autodiscoverJSON)
	get(e, autodiscover.JSONAddressPath+"*", s.autodiscoverJSON)
}

// anyCase lets the Autodiscover paths be written in any letter case.
func anyCase(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if path, ok := autodiscover.CanonicalPath(u.Path); ok {
			u.Path, u.RawPath = path, ""
		}
		return next(c)
	}
}

// autodiscoverPOST answers Outlook, Thunderbird and ActiveSync clients. It never
// says 401: Thunderbird would throw away what autoconfig told it.
func (s *server) autodiscoverPOST(c echo.Context) error {
	w, r := c.Response(), c.Request()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, autodiscover.MaxRequest))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return echo.NewHTTPError(http.StatusRequestEntityTooLarge, "a request has 65536 octets at most")
	}
	if err != nil {
		return autodiscoverError(c, &autodiscover.Error{Code: autodiscover.InvalidRequest, Message: "the request was cut short"})
	}
	request, err := autodiscover.ParseRequest(body)
	if err != nil {
		return autodiscoverError(c, err)
	}
	setDomain(c, request.Address.Domain.ASCII)
	provider, ok := s.current().Lookup(request.Address.Domain)
	if !ok {
		return unknownDomain(request.Address.Domain)
	}
	render := autodiscover.Render
	if request.Schema == autodiscover.MobileSync {
		render = autodiscover.RenderMobileSync
	}
	answer, err := render(provider.For(request.Address))
	if err != nil {
		return autodiscoverError(c, err)
	}
	return transient(c, http.StatusOK, autodiscover.ContentType, answer)
}

// errorID stands for the server in an error document. It is the same everywhere,
// so that it tells nothing about a machine.
const errorID = 2477272013

// autodiscoverError answers 200 with an error document: clients take any other
// status for "nobody is here".
func autodiscoverError(c echo.Context, err error) error {
	e, ok := errors.AsType[*autodiscover.Error](err)
	if !ok {
		return notFound(err)
	}
	body := autodiscover.RenderError(e, time.Now().UTC().Format("15:04:05.0000000"), errorID)
	return transient(c, http.StatusOK, autodiscover.ContentType, body)
}

// autodiscoverGET answers what holds for the Host's whole domain (Delta Chat and
// MyMail ask so), or sends plain HTTP to HTTPS (Outlook's and Thunderbird's last
// step).
func (s *server) autodiscoverGET(c echo.Context) error {
	r := c.Request()
	request := autodiscover.ParseGETRequest(r.Host)
	domain := request.Address.Domain
	setDomain(c, domain.ASCII)
	if s.publicURL != "" && !isHTTPS(r) && strings.HasPrefix(strings.ToLower(r.Host), "autodiscover.") {
		return c.Redirect(http.StatusFound, s.publicURL+autodiscover.POXPath)
	}
	provider, ok := s.current().Lookup(domain)
	if domain.IsZero() || !ok {
		return unknownDomain(domain)
	}
	body, err := autodiscover.Render(provider.For(request.Address))
	if err != nil {
		return notFound(err)
	}
	return document(c, autodiscover.ContentType, cachePublic, rendered{body, entityTag(body)})
}

// isHTTPS believes a proxy's X-Forwarded-Proto: who forges it misses a redirect
// and nothing else.
func isHTTPS(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get(echo.HeaderXForwardedProto), ",") // the one nearest to the client
	return r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https")
}

func (s *server) autodiscoverJSON(c echo.Context) error {
	r := c.Request()
	request, err := autodiscover.ParseJSONRequest(r.URL.Path, r.URL.RawQuery)
	if err != nil {
		return jsonError(c, err)
	}
	setDomain(c, request.Address.Domain.ASCII)
	provider, ok := s.current().Lookup(request.Address.Domain)
	if !ok {
		return jsonError(c, autodiscover.ErrUserNotFound)
	}
	body, err := autodiscover.RenderJSON(provider.For(request.Address), request.Protocol, autodiscover.POXURL(s.publicURL, request.Address.Domain))
	if err != nil {
		return jsonError(c, err)
	}
	return transient(c, http.StatusOK, autodiscover.JSONContentType, body)
}

func jsonError(c echo.Context, err error) error {
	e, ok := errors.AsType[*autodiscover.JSONError](err)
	if !ok {
		return err
	}
	body, err := autodiscover.RenderJSONError(e)
	if err != nil {
		return err
	}
	return transient(c, e.Status, autodiscover.JSONContentType, body)
}
