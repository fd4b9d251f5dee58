package httpd

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/language"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/pages"
	"milepost/mobileconfig"
	"milepost/settings"
)

// The policies of pages (CSP Level 3): nothing but our own files, images in the
// page itself for codes, and no frame around it. A logo, opened by itself, is
// shut off further.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	assetPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
)

// How long a browser keeps pages: not at all if an address is in them; for ever
// if the path changes with the content; else it asks whether they are the same.
const (
	cacheNever   = "private, no-store"
	cacheAsk     = "no-cache"
	cacheForever = "public, max-age=31536000, immutable"
)

const (
	apiRoot = "/api/"
	apiPath = apiRoot + "v1/settings"
)

func (s *server) pagesRoutes(e *echo.Echo) {
	for path, handler := range map[string]echo.HandlerFunc{
		"/":              s.home,
		"/setup":         s.setup,
		"/providers":     s.providers,
		"/providers/:id": s.provider,
		"/help":          s.help,
	} {
		get(e, path, handler)
		s.forPeople[path] = true
	}
	get(e, pages.AssetPath+":file", s.asset)
	get(e, "/robots.txt", robots)
	get(e, apiPath, s.api)
	get(e, apiRoot+"v1/openapi.json", openAPI)
}

func reader(c echo.Context) pages.Reader {
	r := c.Request()
	return pages.ParseReader(r.URL.RawQuery, strings.Join(r.Header["Accept-Language"], ","))
}

func (s *server) home(c echo.Context) error {
	body, err := s.pages().Home(reader(c), s.lists.of(s.current()).Len())
	return page(c, http.StatusOK, cacheAsk, body, err)
}

func (s *server) help(c echo.Context) error {
	body, err := s.pages().Help(reader(c))
	return page(c, http.StatusOK, cacheAsk, body, err)
}

func (s *server) setup(c echo.Context) error {
	r := reader(c)
	request, answer, err := s.answer(c, c.Request().URL.RawQuery)
	var body []byte
	switch {
	case err == nil:
		body, err = s.pages().Setup(r, answer)
		return page(c, http.StatusOK, cacheNever, body, err)
	case errors.Is(err, errNoSettings):
		body, err = s.pages().Unknown(r, request)
		return page(c, http.StatusNotFound, cacheNever, body, err)
	}
	body, err = s.pages().Mistyped(r, request.Typed)
	return page(c, http.StatusBadRequest, cacheNever, body, err)
}

// errNoSettings is the error about a domain that no provider has servers for.
// What a mailbox is or is not has no part in it.
var errNoSettings = errors.New("no settings are known for the domain")

// answer is what people and programs are both told.
func (s *server) answer(c echo.Context, rawQuery string) (pages.Request, pages.Answer, error) {
	request, err := pages.ParseRequest(rawQuery)
	if err != nil {
		return request, pages.Answer{}, err
	}
	provider, ok := s.current().Lookup(request.Address.Domain)
	switch alone := request.Address.Local == ""; {
	case !ok && alone: // most likely a name that lacks the rest, which the log must not have
		return request, pages.Answer{}, pages.ErrNoAt
	case !ok:
		setDomain(c, request.Address.Domain.ASCII)
		return request, pages.Answer{}, errNoSettings
	}
	setDomain(c, request.Address.Domain.ASCII)
	answer, err := pages.NewAnswer(provider.For(request.Address), request)
	if err != nil {
		return request, answer, errors.Join(errNoSettings, err)
	}
	answer.Profile = profilePath(answer, reader(c).Lang)
	return request, answer, nil
}

// profilePath is where the profile of an answer is; empty: none can be made, and
// no link leads to an error.
func profilePath(a pages.Answer, lang string) string {
	options := mobileconfig.Options{POP3: a.Protocol == settings.POP3}
	if a.OnThisComputer() || mobileconfig.Check(a.Asked.Account, options) != nil {
		return ""
	}
	return mobileconfig.Paths[0] + "?" + a.ProfileQuery(lang)
}

func (s *server) providers(c echo.Context) error {
	snapshot := s.current()
	values, _ := url.ParseQuery(c.Request().URL.RawQuery) // what cannot be read was not chosen
	filter := pages.Filter{Search: values.Get("q"), ByCountry: values.Get("sort") == "country"}
	if region, err := language.ParseRegion(values.Get("country")); err == nil {
		filter.Country = region.String()
	}
	if len(filter.Search) > maxSearch {
		filter.Search = strings.ToValidUTF8(filter.Search[:maxSearch], "")
	}
	if filter.Search != "" {
		_, domain, found := strings.Cut(filter.Search, "@")
		if !found {
			domain = filter.Search
		}
		if d, err := address.ParseDomain(strings.TrimSpace(domain)); err == nil && strings.Contains(d.ASCII, ".") {
			filter.Serving, _ = snapshot.Lookup(d)
		}
	}
	body, err := s.pages().Providers(reader(c), s.lists.of(snapshot), filter)
	cache := cacheAsk
	if filter.Search != "" {
		cache = cacheNever // it may be an address
	}
	return page(c, http.StatusOK, cache, body, err)
}

// maxSearch is in octets: no name or domain is longer.
const maxSearch = 300

func (s *server) provider(c echo.Context) error {
	p, ok := s.lists.of(s.current()).Provider(c.Param("id"))
	if !ok {
		return echo.ErrNotFound
	}
	body, err := s.pages().Provider(reader(c), p)
	return page(c, http.StatusOK, cacheAsk, body, err)
}

func (s *server) asset(c echo.Context) error {
	file, ok := s.pages().Asset(pages.AssetPath + c.Param("file"))
	if !ok {
		return echo.ErrNotFound
	}
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, assetPolicy)
	return document(c, file.ContentType, cacheForever, rendered{file.Body, file.ETag})
}

func robots(c echo.Context) error {
	body := []byte(pages.Robots)
	return document(c, "text/plain; charset=utf-8", cachePublic, rendered{body, entityTag(body)})
}

func openAPI(c echo.Context) error {
	return document(c, echo.MIMEApplicationJSON, cachePublic, rendered{pages.OpenAPI, entityTag(pages.OpenAPI)})
}

func (s *server) api(c echo.Context) error {
	c.Response().Header().Add(echo.HeaderVary, "Accept-Language")
	// A program that forgets to escape a + means one; only a form means a space.
	request, answer, err := s.answer(c, strings.ReplaceAll(c.Request().URL.RawQuery, "+", "%2B"))
	switch {
	case err == nil:
		body, err := pages.JSON(answer, reader(c).Lang)
		if err != nil {
			return err
		}
		return transient(c, http.StatusOK, echo.MIMEApplicationJSON, body)
	case errors.Is(err, errNoSettings):
		return unknownDomain(request.Address.Domain)
	}
	return echo.NewHTTPError(http.StatusBadRequest, err.Error())
}

// page sends a page for people.
func page(c echo.Context, status int, cache string, body []byte, err error) error {
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, pagePolicy)
	h.Set(echo.HeaderReferrerPolicy, "no-referrer") // the page's own URL may hold an address
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set(echo.HeaderCacheControl, cache)
	h.Add(echo.HeaderVary, "Accept-Language")
	if cache == cacheNever {
		h.Set("X-Robots-Tag", "noindex")
	} else {
		tag := entityTag(body)
		h.Set("Etag", tag)
		if seenBefore(c.Request(), tag) {
			return c.NoContent(http.StatusNotModified)
		}
	}
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	if c.Request().Method == http.MethodHead {
		h.Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
		c.Response().WriteHeader(status)
		return nil
	}
	return c.HTMLBlob(status, body)
}

// answerPeople writes an error as a page, and tells whether it was its to write:
// on the pages' own routes, and for a browser that asked for what is not there.
func (s *server) answerPeople(c echo.Context, status int) bool {
	asked := c.Request().Header.Get(echo.HeaderAccept)
	if !s.forPeople[c.Path()] && (c.Path() != "" || forPrograms(c) || !strings.Contains(asked, "text/html")) {
		return false
	}
	body, err := s.pages().Problem(reader(c), status)
	return page(c, status, cacheNever, body, err) == nil
}

// forPrograms tells whether errors are JSON.
func forPrograms(c echo.Context) bool { return strings.HasPrefix(c.Request().URL.Path, apiRoot) }

// lists keeps the table of providers that belongs to a snapshot of the
// catalogue, and forgets it with the next.
type lists struct {
	mu       sync.Mutex
	snapshot *catalogue.Catalogue
	list     *pages.List
}

func (l *lists) of(snapshot *catalogue.Catalogue) *pages.List {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.snapshot != snapshot {
		l.snapshot, l.list = snapshot, pages.NewList(snapshot.Providers())
	}
	return l.list
}
