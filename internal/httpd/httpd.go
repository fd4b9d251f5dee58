// Package httpd answers over HTTP: routes, limits, errors and headers. It is
// the one room that knows Echo.
package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/catalogue"
)

// Limits of one connection. Requests have no bodies, and the longest address
// that gets an answer of ours has 10 kB.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 10 * time.Second
	idleTimeout       = 75 * time.Second
	shutdownTimeout   = 10 * time.Second
	maxHeader         = 16 << 10 // octets
)

// maxAge is how long an answer may be kept: settings change seldom, and a
// mistake in them should not live long.
const maxAge = time.Hour

// Handler answers every request from the catalogue that current returns at that
// moment. It logs one line a request, without anything of the local part.
func Handler(current func() *catalogue.Catalogue, log *slog.Logger) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // else anybody names the address that is logged
	e.HTTPErrorHandler = answerError
	e.Pre(oneLeadingSlash)
	e.Use(logged(log), recovered(log))
	s := server{current}
	s.autoconfigRoutes(e)
	return e
}

type server struct {
	current func() *catalogue.Catalogue
}

// get routes GET and HEAD, which Echo keeps apart.
func get(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, h)
}

// Serve answers on a listener until the context ends, then lets requests under
// way finish.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		stopped <- srv.Shutdown(ctx)
	})
	err := srv.Serve(l)
	if stop() {
		return err // it ended by itself
	}
	return <-stopped
}

// document sends a rendered document. Private: it depends on an address, so no
// shared cache may keep it.
func document(c echo.Context, contentType string, body []byte, private bool) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set(echo.HeaderAccessControlAllowOrigin, "*") // nothing here is secret, and web mailers ask
	scope := "public"
	if private {
		scope = "private"
	}
	h.Set(echo.HeaderCacheControl, fmt.Sprintf("%s, max-age=%d", scope, int(maxAge.Seconds())))
	sum := sha256.Sum256(body)
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(body))
	return nil
}

// answerError writes every error of every handler: one line of plain text, so
// that no client takes it for a document.
func answerError(err error, c echo.Context) {
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
			message = "this address answers " + c.Response().Header().Get(echo.HeaderAllow)
		}
	}
	h := c.Response().Header()
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	http.Error(c.Response(), fmt.Sprintf("%d %s: %s", status, strings.ToLower(http.StatusText(status)), message), status)
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

// domainKey is where a handler leaves the domain that was asked about, for the
// log.
const domainKey = "domain"

// logged writes one line a request: the route and the domain, and neither path
// nor query, which may hold an address.
func logged(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
			if err := next(c); err != nil {
				c.Error(err)
			}
			domain, _ := c.Get(domainKey).(string)
			log.LogAttrs(context.Background(), slog.LevelInfo, "http",
				slog.String("method", c.Request().Method),
				slog.String("route", route(c)),
				slog.String("domain", domain),
				slog.Int("status", c.Response().Status),
				slog.Duration("took", time.Since(start)),
				slog.String("from", c.RealIP()))
			return nil
		}
	}
}

func route(c echo.Context) string {
	if p := c.Path(); p != "" {
		return p
	}
	return "none"
}

// recovered turns a panic into an error, so that one request cannot end the
// others.
func recovered(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				if r := recover(); r != nil && r != http.ErrAbortHandler {
					log.Error("panic", "route", route(c), "stack", string(debug.Stack()))
					err = echo.ErrInternalServerError
				}
			}()
			return next(c)
		}
	}
}
