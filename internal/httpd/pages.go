package httpd

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"milepost/catalogue"
	"milepost/internal/answer"
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
	request, found, err := s.answer(c)
	var body []byte
	switch {
	case err == nil:
		body, err = s.pages().Setup(r, found)
		return page(c, http.StatusOK, cacheNever, body, err)
	case errors.Is(err, errNoSettings):
		body, err = s.pages().Unknown(r, request)
		return page(c, http.StatusNotFound, cacheNever, body, err)
	}
	body, err = s.pages().Mistyped(r, request)
	return page(c, http.StatusBadRequest, cacheNever, body, err)
}

// errNoSettings is the error about a domain that no provider has servers for.
// What a mailbox is or is not has no part in it.
var errNoSettings = errors.New("no settings are known for the domain")

// answer is what people and programs are both told.
func (s *server) answer(c echo.Context) (answer.Request, answer.Answer, error) {
	request, err := answer.ParseRequest(c.Request().URL.RawQuery)
	if err != nil {
		return request, answer.Answer{}, err
	}
	snapshot, domain := s.current(), request.Address.Domain
	provider, ok := snapshot.Lookup(domain)
	if request.Address.Local == "" {
		// Most likely a name that lacks the rest, which the log must not have.
		if provider, ok = snapshot.LookupWithoutDefault(domain); !ok {
			return request, answer.Answer{}, answer.ErrNoAt
		}
	}
	setDomain(c, domain.ASCII)
	if !ok {
		return request, answer.Answer{}, errNoSettings
	}
	found, err := answer.New(provider.For(request.Address), request)
	if err != nil {
		return request, found, errors.Join(errNoSettings, err)
	}
	found.Profile = profilePath(found, reader(c).Lang)
	return request, found, nil
}

// profilePath is where the profile of an answer is; empty: none can be made. It
// is asked of the profile's own code, so that no link leads to an error.
func profilePath(a answer.Answer, lang string) string {
	if a.Asked.Local() == "" || a.OnThisComputer() {
		return ""
	}
	query := a.ProfileQuery(lang)
	request, err := mobileconfig.ParseRequest(query, "")
	if err != nil {
		return ""
	}
	if _, err := mobileconfig.Render([]settings.Account{a.Asked.Account}, request.Options); err != nil {
		return ""
	}
	return mobileconfig.Paths[0] + "?" + query
}

func (s *server) providers(c echo.Context) error {
	snapshot := s.current()
	filter := pages.ParseFilter(c.Request().URL.RawQuery)
	if d, ok := filter.Domain(); ok {
		filter.Serving, _ = snapshot.Lookup(d)
	}
	body, err := s.pages().Providers(reader(c), s.lists.of(snapshot), filter)
	cache := cacheAsk
	if filter.Search != "" {
		cache = cacheNever // it may be an address
	}
	return page(c, http.StatusOK, cache, body, err)
}

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
	return document(c, echo.MIMEApplicationJSON, cachePublic, rendered{answer.OpenAPI, entityTag(answer.OpenAPI)})
}

func (s *server) api(c echo.Context) error {
	c.Response().Header().Add(echo.HeaderVary, "Accept-Language")
	request, found, err := s.answer(c)
	switch {
	case err == nil:
		body, err := answer.JSON(found, reader(c).Lang)
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
