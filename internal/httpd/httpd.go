// Package httpd answers over HTTP: routes, limits, errors and headers. It is
// the one room that knows Echo.
package httpd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/pages"
)

// How long an answer may be kept, in seconds: settings change seldom, and a
// mistake in them should not live long. Private: no shared cache may keep what
// depends on an address.
const (
	cachePublic  = "public, max-age=3600"
	cachePrivate = "private, max-age=3600"
)

// Options are what a handler is made of.
type Options struct {
	// Catalogue returns the snapshot to answer from, at every request anew.
	Catalogue func() *catalogue.Catalogue
	// Log gets a line a request, without anything of the local part.
	Log *slog.Logger
	// PublicURL is the HTTPS address under which the server is reached, as
	// https://mail.example.com; empty: none is known.
	PublicURL string
	// Sign signs profiles; nil: they stay unsigned.
	Sign func(profile []byte) ([]byte, error)
	// Pages returns the pages for people, at every request anew; nil: they have no
	// service's name and looks.
	Pages func() *pages.Site
}

// Handler answers every request.
func Handler(o Options) http.Handler {
	if o.Pages == nil {
		site, err := pages.New(pages.Branding{}, o.PublicURL)
		if err != nil {
			panic(err) // it is made of embedded files alone, and a test makes it
		}
		o.Pages = func() *pages.Site { return site }
	}
	s := &server{current: o.Catalogue, publicURL: o.PublicURL, sign: o.Sign, pages: o.Pages, forPeople: make(map[string]bool)}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // else anybody names the address that is logged
	e.HTTPErrorHandler = s.answerError
	e.Pre(oneLeadingSlash, anyCase)
	e.Use(logged(o.Log), recovered(o.Log))
	s.autoconfigRoutes(e)
	s.autodiscoverRoutes(e)
	s.mobileconfigRoutes(e)
	s.pagesRoutes(e)
	return e
}

type server struct {
	current     func() *catalogue.Catalogue
	publicURL   string
	sign        func([]byte) ([]byte, error)
	autoconfigs documents
	pages       func() *pages.Site
	lists       lists
	forPeople   map[string]bool // the routes whose errors are pages
}

// get routes GET and HEAD, which Echo keeps apart.
func get(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, h)
}

// document sends a rendered document.
func document(c echo.Context, contentType, cache string, doc rendered) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set(echo.HeaderAccessControlAllowOrigin, "*") // nothing here is secret, and web mailers ask
	h.Set(echo.HeaderCacheControl, cache)
	h.Set("Etag", doc.etag)
	r := c.Request()
	if seenBefore(r, doc.etag) {
		h.Del(echo.HeaderContentType)
		return c.NoContent(http.StatusNotModified)
	}
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(doc.body)))
	c.Response().WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(doc.body)
	return err
}

// seenBefore tells whether the client has what a tag stands for. No tag of ours
// is part of another, so looking for it does (RFC 9110 §13.1.2).
func seenBefore(r *http.Request, etag string) bool {
	seen := strings.Join(r.Header["If-None-Match"], ",")
	return seen == "*" || strings.Contains(seen, etag)
}

// transient sends an answer that nobody may keep.
func transient(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(status, contentType, body)
}

// entityTag makes a tag that notices every change.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// answerError writes every error of every handler: a page where people ask, JSON
// where its programs do, else one line of plain text, so that no client takes it
// for a document.
func (s *server) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status, message := http.StatusInternalServerError, "the server made a mistake"
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		status, message = he.Code, fmt.Sprint(he.Message)
		switch {
		case errors.Is(he, echo.ErrNotFound):
			message = "nothing is served here; try /mail/config-v1.1.xml?emailaddress=ADDRESS"
		case errors.Is(he, echo.ErrMethodNotAllowed):
			// Echo counts OPTIONS in, and would answer it 204, which some clients take
			// for settings.
			allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
			allow = strings.TrimPrefix(allow, "OPTIONS, ")
			c.Response().Header().Set(echo.HeaderAllow, allow)
			message = "this address answers " + allow
		}
	}
	if s.answerPeople(c, status) {
		return
	}
	if forPrograms(c) {
		if body, err := pages.JSONError(message); err == nil && transient(c, status, echo.MIMEApplicationJSON, body) == nil {
			return
		}
	}
	h := c.Response().Header()
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	http.Error(c.Response(), fmt.Sprintf("%d %s: %s", status, strings.ToLower(http.StatusText(status)), message), status)
}

func unknownDomain(d address.Domain) error {
	if d.IsZero() {
		return notFound(errors.New("no domain to look up: the host name is none"))
	}
	return notFound(errors.New("no provider is known for the domain " + d.ASCII))
}

func notFound(err error) error {
	return echo.NewHTTPError(http.StatusNotFound, err.Error())
}

// oneLeadingSlash lets //mail/… mean /mail/…, as some clients join URLs.
func oneLeadingSlash(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if u := c.Request().URL; strings.HasPrefix(u.Path, "//") {
			u.Path, u.RawPath = "/"+strings.TrimLeft(u.Path, "/"), ""
		}
		return next(c)
	}
}

// exchange is a request under way, with what the log says about it.
type exchange struct {
	echo.Context
	domain string // that was asked about; empty: none
}

// setDomain notes the domain that was asked about, for the log.
func setDomain(c echo.Context, domain string) {
	if x, ok := c.(*exchange); ok {
		x.domain = domain
	}
}

// logged writes one line a request: the route and the domain, and neither path
// nor query, which may hold an address.
func logged(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
			x := exchange{Context: c}
			answer := next
			if c.Request().Method == http.MethodOptions && c.Get(echo.ContextKeyHeaderAllow) != nil {
				answer = func(echo.Context) error { return echo.ErrMethodNotAllowed }
			}
			if err := answer(&x); err != nil {
				if he := (*echo.HTTPError)(nil); !errors.As(err, &he) && err != errPanic { // which is logged already
					log.Error("answering", "route", route(c), "err", err)
				}
				c.Error(err)
			}
			if !log.Enabled(context.Background(), slog.LevelInfo) {
				return nil
			}
			end := time.Now()
			line := slog.NewRecord(end, slog.LevelInfo, "http", 0) // Info would walk the stack for each
			line.AddAttrs(
				slog.String("method", method(c.Request())),
				slog.String("route", route(c)),
				slog.String("domain", x.domain),
				slog.Int("status", c.Response().Status),
				slog.Duration("took", end.Sub(start)),
				slog.String("from", c.RealIP()))
			log.Handler().Handle(context.Background(), line)
			return nil
		}
	}
}

// method names the method if it is one of HTTP's own: a stranger may write
// anything there.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

func route(c echo.Context) string {
	if p := c.Path(); p != "" {
		return p
	}
	return "none"
}

var errPanic = errors.New("panic")

// recovered turns a panic into an error, so that one request cannot end the
// others.
func recovered(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				r := recover()
				if r == http.ErrAbortHandler {
					panic(r) // net/http ends the connection; anything else would look like an answer
				}
				if r != nil {
					// Its value may hold an address; the stack does not.
					log.Error("panic", "route", route(c), "stack", string(debug.Stack()))
					err = errPanic
				}
			}()
			return next(c)
		}
	}
}
