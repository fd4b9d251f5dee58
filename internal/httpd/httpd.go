// Package httpd answers over HTTP: routes, limits, errors and headers. It is
// the one room that knows Echo.
//
// A format's request walks corridor.go from top to bottom, a person's pages.go;
// both end in send.go.
package httpd

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/autodiscover"
	"milepost/internal/formats"
	"milepost/internal/snapshot"
)

// Options are what a handler is made of.
type Options struct {
	// Current returns the snapshot to answer from. Each request asks once.
	Current func() *snapshot.Snapshot
	// Log gets a line a request, without anything of the local part.
	Log *slog.Logger
	// Sign signs profiles; nil: they stay unsigned.
	Sign func(profile []byte) ([]byte, error)
	// Now is the clock; nil: the machine's.
	Now func() time.Time
}

// Handler answers every request.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{Options: o}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // else anybody names the address that is logged
	e.HTTPErrorHandler = s.answerError
	e.Pre(oneLeadingSlash, anyCase)
	e.Use(s.logged, s.recovered)
	for _, f := range formats.Table() {
		for _, path := range f.Paths {
			e.Match(f.Methods, path, s.corridor(f))
		}
	}
	s.pagesRoutes(e)
	return e
}

type server struct {
	Options
	documents documents
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

// anyCase lets the paths of Autodiscover be written in any letter case.
func anyCase(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if path, ok := autodiscover.CanonicalPath(u.Path); ok {
			u.Path, u.RawPath = path, ""
		}
		return next(c)
	}
}
