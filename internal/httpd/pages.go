package httpd

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/address"
	"milepost/internal/answer"
	"milepost/internal/lookup"
	"milepost/internal/pages"
	"milepost/internal/query"
	"milepost/mobileconfig"
	"milepost/settings"
)

// The policies of pages (CSP Level 3): nothing but our own files, images in the
// page itself for codes, and no frame around it. A logo, opened by itself, is
// shut off further.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; manifest-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// A page for other sites to put into theirs has no script and changes nothing, so no
	// site can make people do there what they do not want.
	widgetPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors *"
	assetPolicy  = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
)

// How long a browser keeps pages: not at all if an address is in them; for ever
// if the path changes with the content; else it asks whether they are the same.
const (
	cacheNever   = "private, no-store"
	cacheAsk     = "no-cache"
	cacheForever = "public, max-age=31536000, immutable"
)

// peoplesPages are those whose errors are pages too.
var peoplesPages = map[string]func(*exchange) error{
	"/":                      home,
	"/setup":                 setup,
	"/providers":             providers,
	"/providers/:id":         provider,
	"/providers/:id/:client": client,
	"/help":                  help,
	"/trouble":               trouble,
	"/widget":                widget,
}

var otherPages = map[string]func(*exchange) error{
	pages.AssetPath + ":file": asset,
	"/robots.txt":             robots,
	"/sitemap.xml":            siteMap,
	"/favicon.ico":            icon,
	"/apple-touch-icon.png":   icon,
}

func (s *server) pagesRoutes(e *echo.Echo) {
	get := []string{http.MethodGet, http.MethodHead}
	for path, answer := range peoplesPages {
		e.Match(get, path, func(c echo.Context) error {
			x := c.(*exchange)
			if to, ok := overHTTPS(x); ok {
				return x.Redirect(http.StatusFound, to)
			}
			return answer(x)
		})
	}
	for path, answer := range otherPages {
		e.Match(get, path, func(c echo.Context) error { return answer(c.(*exchange)) })
	}
}

func reader(c echo.Context) pages.Reader {
	return pages.ParseReader(c.Request().URL.RawQuery, languages(c.Request()))
}

func home(x *exchange) error {
	body, err := x.snapshot.Site.Home(reader(x), x.snapshot.List.Len())
	return page(x, http.StatusOK, cacheAsk, body, err)
}

func help(x *exchange) error {
	body, err := x.snapshot.Site.Help(reader(x))
	return page(x, http.StatusOK, cacheAsk, body, err)
}

func setup(x *exchange) error {
	x.Response().Header().Add(echo.HeaderVary, "User-Agent")
	return personal(x, (*pages.Site).Setup)
}

func trouble(x *exchange) error {
	if asked, _ := query.Get(x.Request().URL.RawQuery, "emailaddress"); asked == "" {
		body, err := x.snapshot.Site.AskTrouble(reader(x))
		return page(x, http.StatusOK, cacheAsk, body, err)
	}
	return personal(x, (*pages.Site).Trouble)
}

// personal sends a page about an address, or what is wrong with that.
func personal(x *exchange, about func(*pages.Site, pages.Reader, answer.Answer) ([]byte, error)) error {
	return told{about, (*pages.Site).Unknown, (*pages.Site).Mistyped, pagePolicy}.send(x)
}

func widget(x *exchange) error {
	if asked, _ := query.Get(x.Request().URL.RawQuery, "emailaddress"); asked == "" {
		body, err := x.snapshot.Site.Widget(reader(x))
		return pageUnder(widgetPolicy, x, http.StatusOK, cacheAsk, body, err)
	}
	return told{(*pages.Site).WidgetAnswer, (*pages.Site).WidgetUnknown, (*pages.Site).WidgetMistyped, widgetPolicy}.send(x)
}

// told are the pages that one who names an address may get.
type told struct {
	answer   func(*pages.Site, pages.Reader, answer.Answer) ([]byte, error)
	unknown  func(*pages.Site, pages.Reader, answer.Request, *pages.List) ([]byte, error)
	mistyped func(*pages.Site, pages.Reader, answer.Request) ([]byte, error)
	policy   string
}

func (t told) send(x *exchange) error {
	r, site := reader(x).On(x.Request().URL.RawQuery, x.Request().UserAgent()), x.snapshot.Site
	request, found, err := answerTo(x)
	var body []byte
	status := http.StatusOK
	switch {
	case err == nil:
		body, err = t.answer(site, r, found)
	case errors.As(err, new(*lookup.UnknownAddress)):
		status = http.StatusNotFound
		body, err = t.mistyped(site, r, request)
	case errors.As(err, &noSettings{}):
		status = http.StatusNotFound
		body, err = t.unknown(site, r, request, x.snapshot.List)
	default:
		status = http.StatusBadRequest
		body, err = t.mistyped(site, r, request)
	}
	return pageUnder(t.policy, x, status, cacheNever, body, err)
}

// noSettings is the error about a domain that no provider has servers for. What a
// mailbox is or is not has no part in it: that is an [lookup.UnknownAddress].
type noSettings struct{ error }

// answerTo is what people and programs are both told.
func answerTo(x *exchange) (answer.Request, answer.Answer, error) {
	request, err := answer.ParseRequest(x.Request().URL.RawQuery)
	if err != nil {
		return request, answer.Answer{}, err
	}
	accounts, err := x.lookUp(lookup.Question{Addresses: []address.Address{request.Address}, Typed: true}, true)
	if errors.Is(err, address.ErrNoAt) {
		return request, answer.Answer{}, err
	}
	x.domain = request.Address.Domain.ASCII
	if errors.As(err, new(*lookup.UnknownAddress)) {
		request.NoMailbox = true
		return request, answer.Answer{}, err
	}
	if err != nil {
		return request, answer.Answer{}, noSettings{err}
	}
	found, err := answer.New(accounts[0], request)
	if err != nil {
		return request, found, noSettings{err}
	}
	found.Profile = profilePath(found, reader(x).Lang)
	found.ProfileSigned = x.signs
	return request, found, nil
}

// profilePath is where the profile of an answer is; empty: none can be made, and
// no link leads to an error.
func profilePath(a answer.Answer, lang string) string {
	options := mobileconfig.Options{POP3: a.Incoming.Protocol == settings.POP3}
	if mobileconfig.Check(a.Account, options) != nil {
		return ""
	}
	return mobileconfig.Paths[0] + "?" + a.ProfileQuery(lang)
}

func providers(x *exchange) error {
	filter := pages.ParseFilter(x.Request().URL.RawQuery)
	if d, ok := filter.Domain(); ok {
		filter.Serving, _ = x.snapshot.Catalogue.Lookup(d)
	}
	body, err := x.snapshot.Site.Providers(reader(x), x.snapshot.List, filter)
	cache := cacheAsk
	if filter.Search != "" {
		cache = cacheNever // it may be an address
	}
	return page(x, http.StatusOK, cache, body, err)
}

func provider(x *exchange) error {
	p, ok := x.snapshot.List.Provider(x.Param("id"))
	if !ok {
		return echo.ErrNotFound
	}
	body, err := x.snapshot.Site.Provider(reader(x), p)
	return page(x, http.StatusOK, cacheAsk, body, err)
}

func client(x *exchange) error {
	p, ok := x.snapshot.List.Provider(x.Param("id"))
	if !ok {
		return echo.ErrNotFound
	}
	body, ok, err := x.snapshot.Site.Client(reader(x), p, x.Param("client"))
	if err == nil && !ok {
		return echo.ErrNotFound
	}
	return page(x, http.StatusOK, cacheAsk, body, err)
}

func asset(x *exchange) error {
	file, ok := x.snapshot.Site.Asset(pages.AssetPath + x.Param("file"))
	if !ok {
		return echo.ErrNotFound
	}
	x.Response().Header().Set(echo.HeaderContentSecurityPolicy, assetPolicy)
	body, tag := x.encode(file.ContentType, file.ETag, file.Body)
	return keepable(x, cacheForever, tagged(file.ContentType, tag, body))
}

func robots(x *exchange) error {
	return keepable(x, cachePublic, newDocument(plainText, x.snapshot.Site.Robots()))
}

func siteMap(x *exchange) error {
	body, ok, err := x.snapshot.Site.SiteMap(x.snapshot.List)
	switch {
	case err != nil:
		return err
	case !ok:
		return echo.NewHTTPError(http.StatusNotFound, "a site map needs the public address of the server; [service] in milepost.toml has none")
	}
	body, tag := x.encode(echo.MIMEApplicationXMLCharsetUTF8, entityTag(body), body)
	return keepable(x, cachePublic, tagged(echo.MIMEApplicationXMLCharsetUTF8, tag, body))
}

// icon serves what browsers look for by themselves, at paths that do not change with
// the content.
func icon(x *exchange) error {
	file, ok := x.snapshot.Site.Icon(x.Path())
	if !ok {
		return echo.ErrNotFound
	}
	x.Response().Header().Set(echo.HeaderContentSecurityPolicy, assetPolicy)
	return keepable(x, cachePublic, tagged(file.ContentType, file.ETag, file.Body))
}

// page sends a page for people.
func page(x *exchange, status int, cache string, body []byte, err error) error {
	return pageUnder(pagePolicy, x, status, cache, body, err)
}

func pageUnder(policy string, x *exchange, status int, cache string, body []byte, err error) error {
	if err != nil {
		return err
	}
	h := x.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, policy)
	h.Set(echo.HeaderReferrerPolicy, "no-referrer") // the page's own URL may hold an address
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set(echo.HeaderCacheControl, cache)
	h.Add(echo.HeaderVary, "Accept-Language")
	tag := ""
	if cache == cacheNever {
		h.Set("X-Robots-Tag", "noindex")
	} else {
		tag = entityTag(body)
	}
	body, tag = x.encode(echo.MIMETextHTMLCharsetUTF8, tag, body)
	if tag != "" {
		h.Set("Etag", tag)
		if notModified(x, tag) {
			return nil
		}
	}
	return write(x, status, echo.MIMETextHTMLCharsetUTF8, body)
}

// answerPeople writes an error as a page if a person asked: on the pages' own routes,
// or for what is not there with a browser. False: it wrote nothing.
func answerPeople(c echo.Context, status int) bool {
	x, ok := c.(*exchange)
	asked := c.Request().Header.Get(echo.HeaderAccept)
	atPage := peoplesPages[c.Path()] != nil || doctorPages[c.Path()] != nil
	if !ok || !atPage && (c.Path() != "" || forPrograms(c) || !strings.Contains(asked, "text/html")) {
		return false
	}
	body, err := x.snapshot.Site.Problem(reader(x), status)
	return page(x, status, cacheNever, body, err) == nil
}
