package httpd

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/internal/snapshot"
)

// exchange is a request under way.
type exchange struct {
	echo.Context
	snapshot *snapshot.Snapshot // to answer from, the same from first to last
	domain   string             // that was asked about, for the log; empty: none
	client   netip.Addr         // whose request it is; zero: not known
	secure   bool               // it came encrypted, to us or to a proxy before us

	compressor *compressor
}

// logged writes one line a request: the route and the domain, and neither path
// nor query, which may hold an address.
func (s *server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.Now()
		c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
		x := &exchange{Context: c, snapshot: s.Current(), compressor: &s.compressor}
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
		s.logLine(x, start)
		return nil
	}
}

// logLine writes the line in slog's text form, without its cost: at saturation the log
// would take more than finding the answer. No value needs quotes: route and method are
// from tables, a domain is ASCII.
func (s *server) logLine(x *exchange, start time.Time) {
	if s.Requests == nil {
		return
	}
	line, _ := s.lines.Get().(*[]byte)
	if line == nil {
		line = new([]byte)
	}
	end := s.Now()
	b := append((*line)[:0], "time="...)
	b = end.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, " level=INFO msg=http method="...)
	b = append(b, method(x.Request())...)
	b = append(b, " route="...)
	b = append(b, route(x)...)
	b = append(b, " domain="...)
	b = append(b, cmp.Or(x.domain, `""`)...)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(x.Response().Status), 10)
	b = append(b, " took="...)
	b = append(b, end.Sub(start).String()...)
	b = append(b, " from="...)
	b = x.client.AppendTo(b)
	*line = append(b, '\n')
	s.Requests.Write(*line) // what cannot be written is lost
	s.lines.Put(line)
}

// logMistake logs what is a mistake of ours. A refusal is none, a panic is logged
// already, and behind the status line only the client can have failed: it left.
func (s *server) logMistake(x *exchange, err error) {
	_, refusal := errors.AsType[*echo.HTTPError](err)
	if !refusal && err != errPanic && !x.Response().Committed {
		s.Log.Error("answering", "route", route(x), "err", err)
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
			s.Log.Error("panic", "route", route(x), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return answer(x)
}
