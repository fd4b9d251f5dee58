package httpd

import (
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/internal/metrics"
	"milepost/internal/snapshot"
	"milepost/internal/useragent"
)

// exchange is a request under way.
type exchange struct {
	echo.Context
	snapshot   *snapshot.Snapshot // to answer from, the same from first to last
	domain     string             // that was asked about, for the log; empty: none
	client     netip.Addr         // whose request it is; zero: not known
	secure     bool               // it came encrypted, to us or to a proxy before us
	metrics    *metrics.Metrics
	kind       *kind
	agent      useragent.Class
	id         uint32 // under which the log has all about it
	compressor *compressor
	server     *server
	signs      bool          // profiles are signed
	waited     time.Duration // for a diagnosis
	held       bool          // the answer goes at a beat
}

// logged writes one line a request: the route and the domain, and neither path
// nor query, which may hold an address.
func (s *server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		defer s.enterStream(c.Request())()
		start := s.Now()
		c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
		x := &exchange{Context: c, snapshot: s.Current(), compressor: &s.compressor, server: s,
			metrics: s.Metrics, kind: s.kinds.of(c.Path()), agent: agentOf(c.Request()), id: s.ids.Add(1), signs: s.Sign != nil}
		x.client, x.secure = s.Proxies.origin(c.Request())
		strictTransport(x)
		answer := next
		if c.Request().Method == http.MethodOptions && c.Get(echo.ContextKeyHeaderAllow) != nil {
			answer = func(echo.Context) error { return echo.ErrMethodNotAllowed }
		}
		if err := s.admitted(answer, x, start); err != nil {
			s.logMistake(x, err)
			s.answerError(err, x)
		}
		written(x)
		end := s.Now()
		x.count(end.Sub(start) - x.waited)
		s.logLine(x, end, end.Sub(start))
		return nil
	}
}

// logLine writes the line, if lines are wanted.
func (s *server) logLine(x *exchange, end time.Time, took time.Duration) {
	if s.Requests == nil {
		return
	}
	line, _ := s.lines.Get().(*[]byte)
	if line == nil {
		line = new([]byte)
	}
	if s.JSON {
		*line = x.appendJSON((*line)[:0], end, took)
	} else {
		*line = x.appendText((*line)[:0], end, took)
	}
	s.Requests.Write(*line) // what cannot be written is lost
	s.lines.Put(line)
}

// logMistake logs what is a mistake of ours. A refusal is none, a panic is logged
// already, and behind the status line only the client can have failed: it left.
func (s *server) logMistake(x *exchange, err error) {
	_, refusal := errors.AsType[*echo.HTTPError](err)
	if !refusal && err != errPanic && !x.Response().Committed {
		s.Log.Error("answering", "id", x.hexID(), "route", route(x), "err", err)
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

// recovered turns a panic of a handler into an error, so that one request cannot end
// the others.
func (s *server) recovered(answer echo.HandlerFunc, x *exchange) (err error) {
	defer func() {
		r := recover()
		if r == http.ErrAbortHandler {
			panic(r) // net/http ends the connection; anything else would look like an answer
		}
		if r != nil {
			// Its value may hold an address; the stack does not.
			s.Log.Error("panic", "id", x.hexID(), "route", route(x), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return answer(x)
}
