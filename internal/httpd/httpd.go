// Package httpd answers over HTTP: routes, limits, errors and headers. It is
// the one room that knows Echo.
//
// A format's request walks corridor.go from top to bottom, a person's pages.go;
// both end in send.go.
package httpd

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/autodiscover"
	"milepost/internal/formats"
	"milepost/internal/lookup"
	"milepost/internal/metrics"
	"milepost/internal/snapshot"
	"milepost/internal/webdoctor"
)

// Options are what a handler is made of.
type Options struct {
	// Current returns the snapshot to answer from. Each request asks once.
	Current func() *snapshot.Snapshot
	// Requests gets a line a request, without anything of the local part; nil: nothing
	// does.
	Requests io.Writer
	// JSON has these lines in slog's JSON form; else they are in its text form.
	JSON bool
	// Metrics counts requests and look-ups; nil: nothing does.
	Metrics *metrics.Metrics
	// Log gets what goes wrong.
	Log *slog.Logger
	// Resolver looks MX hosts up; nil: nothing does. The snapshot's configuration says
	// for whom.
	Resolver lookup.Resolver
	// Logins knows login names; nil: nobody does.
	Logins lookup.Logins
	// Doctor examines domains for visitors; nil: nobody does. The snapshot's configuration
	// says whether they may have that done.
	Doctor *webdoctor.Doctor
	// Sign signs profiles; nil: they stay unsigned.
	Sign func(profile []byte) ([]byte, error)
	// Proxies stand before the server; zero: none.
	Proxies Proxies
	// Now is the clock; nil: the machine's.
	Now func() time.Time
	// Limits bound what is asked.
	Limits Limits
}

// Handler answers every request.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{Options: o, limits: newLimiter(o.Limits, o.Proxies, o.Now())}
	s.ids.Store(rand.Uint32())
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.answerError
	e.Use(s.logged)
	for _, f := range formats.Table() {
		for _, path := range f.Paths {
			e.Match(f.Methods, path, s.corridor(&f))
		}
	}
	s.wellKnownRoutes(e)
	s.pagesRoutes(e)
	s.doctorRoutes(e)
	s.apiRoutes(e)
	s.kinds = newKinds(o.Metrics, e.Routes())
	return canonical(e)
}

type server struct {
	Options
	limits     *limiter
	streams    atomic.Int64 // of HTTP/2, under way
	watching   atomic.Int64 // requests that wait for a diagnosis
	documents  documents
	compressor compressor
	beat       beat
	kinds      kinds
	ids        atomic.Uint32 // of the last request; the first is random, so that two runs differ
	lines      sync.Pool     // *[]byte, of the log
}

// canonical gives the paths that are routed: //mail/… means /mail/…, as some clients
// join URLs, and the paths of Autodiscover are taken in any letter case.
func canonical(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := r.URL
		if strings.HasPrefix(u.Path, "//") {
			u.Path, u.RawPath = "/"+strings.TrimLeft(u.Path, "/"), ""
		}
		if path, ok := autodiscover.CanonicalPath(u.Path); ok {
			u.Path, u.RawPath = path, ""
		}
		next.ServeHTTP(w, r)
	})
}
