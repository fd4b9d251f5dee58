package httpd

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/internal/answer"
	"milepost/internal/pages"
)

// apiRoot is above all that programs ask for, and get errors as JSON from.
const apiRoot = "/api/"

var apiPaths = map[string]func(*exchange) error{
	apiRoot + "v1/settings":         api,
	apiRoot + "v1/providers":        apiProviders,
	apiRoot + "v1/providers/:id":    apiProvider,
	apiRoot + "v1/doctor":           apiDoctor,
	apiRoot + "v1/openapi.json":     openAPI,
	answer.ProblemPath + ":problem": apiProblem,
}

// apiRoutes answer OPTIONS too, which browsers send before a request with headers of a
// script's own (Fetch §4.8). No other path does.
func (s *server) apiRoutes(e *echo.Echo) {
	for path, answer := range apiPaths {
		e.Match([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, path, func(c echo.Context) error {
			if c.Request().Method == http.MethodOptions {
				return preflight(c)
			}
			return answer(c.(*exchange))
		})
	}
}

// preflight allows what is harmless: nothing here is secret or changes anything.
func preflight(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderAllow, "GET, HEAD, OPTIONS")
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	h.Set(echo.HeaderAccessControlAllowMethods, "GET, HEAD")
	h.Set(echo.HeaderAccessControlAllowHeaders, "*")
	h.Set(echo.HeaderAccessControlMaxAge, "86400")
	return c.NoContent(http.StatusNoContent)
}

func api(x *exchange) error {
	x.Response().Header().Add(echo.HeaderVary, "Accept-Language")
	request, found, err := answerTo(x)
	switch {
	case request.NoMailbox:
		return refusal(&answer.Problem{Code: answer.AddressUnknown, Status: http.StatusNotFound, Detail: err.Error()})
	case errors.As(err, &noSettings{}):
		return refusal(&answer.Problem{Code: answer.DomainUnknown, Status: http.StatusNotFound, Detail: err.Error(), Suggestions: x.snapshot.List.Suggest(request.Address.Domain)})
	case errors.Is(err, answer.ErrNoAddress):
		return refusal(&answer.Problem{Code: answer.AddressMissing, Status: http.StatusBadRequest, Detail: err.Error()})
	case err != nil:
		return refusal(&answer.Problem{Code: answer.AddressInvalid, Status: http.StatusBadRequest, Detail: err.Error()})
	}
	body, err := answer.JSON(found, reader(x).Lang, x.snapshot.PublicURL)
	if err != nil {
		return err
	}
	body, _ = x.encode(echo.MIMEApplicationJSON, "", body)
	return transient(x, http.StatusOK, echo.MIMEApplicationJSON, body)
}

// refusal is the error that answers with a problem.
func refusal(p *answer.Problem) error {
	return &echo.HTTPError{Code: p.Status, Message: p.Detail, Internal: p}
}

func apiProviders(x *exchange) error {
	filter := pages.ParseFilter(x.Request().URL.RawQuery)
	if d, ok := filter.Domain(); ok {
		filter.Serving, _ = x.snapshot.Catalogue.Lookup(d)
	}
	found := x.snapshot.List.Page(filter, reader(x).Lang)
	listing := answer.Listing{Count: found.Count, Page: found.Number + 1, Pages: found.Pages}
	for _, e := range found.Entries {
		listing.Providers = append(listing.Providers, e.Provider)
	}
	if found.Next != "" {
		listing.Next = apiRoot + "v1" + found.Next
	}
	body, err := listing.JSON(x.snapshot.PublicURL)
	if err != nil {
		return err
	}
	if filter.Search != "" { // it may be an address
		body, _ = x.encode(echo.MIMEApplicationJSON, "", body)
		return transient(x, http.StatusOK, echo.MIMEApplicationJSON, body)
	}
	x.Response().Header().Add(echo.HeaderVary, "Accept-Language") // countries are in the order of a language
	return keepJSON(x, body)
}

func apiProvider(x *exchange) error {
	p, ok := x.snapshot.List.Provider(x.Param("id"))
	if !ok {
		return refusal(&answer.Problem{Code: answer.ProviderUnknown, Status: http.StatusNotFound, Detail: "the ids are those of /api/v1/providers"})
	}
	body, err := answer.PublicJSON(p.Provider, p.Listed())
	if err != nil {
		return err
	}
	return keepJSON(x, body)
}

func apiProblem(x *exchange) error {
	body, ok := answer.Explain(x.Param("problem"))
	if !ok {
		return echo.ErrNotFound
	}
	return keepJSON(x, body)
}

func openAPI(x *exchange) error { return keepJSON(x, answer.OpenAPIAt(x.snapshot.PublicURL)) }

func keepJSON(x *exchange, body []byte) error {
	body, tag := x.encode(echo.MIMEApplicationJSON, entityTag(body), body)
	return keepable(x, cachePublic, tagged(echo.MIMEApplicationJSON, tag, body))
}

// forPrograms tells whether errors are JSON.
func forPrograms(c echo.Context) bool { return strings.HasPrefix(c.Request().URL.Path, apiRoot) }

// problem is what an error is for programs.
func problem(err error, status int, message string) *answer.Problem {
	if p, ok := errors.AsType[*answer.Problem](err); ok {
		return p
	}
	return answer.StatusProblem(status, message)
}
