package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/internal/snapshot"
)

// exchange is a request under way.
type exchange struct {
	echo.Context
	snapshot *snapshot.Snapshot // to answer from, the same from first to last
	domain   string             // that was asked about, for the log; empty: none
}

// logged writes one line a request: the route and the domain, and neither path
// nor query, which may hold an address.
func (s *server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.Now()
		c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
		x := &exchange{Context: c, snapshot: s.Current()}
		answer := next
		if c.Request().Method == http.MethodOptions && c.Get(echo.ContextKeyHeaderAllow) != nil {
			answer = func(echo.Context) error { return echo.ErrMethodNotAllowed }
		}
		if err := s.recovered(answer, x); err != nil {
			s.logMistake(x, err)
			s.answerError(err, x)
		}
		s.logLine(x, start)
		return nil
	}
}

func (s *server) logLine(x *exchange, start time.Time) {
	ctx := context.Background()
	if !s.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	end := s.Now()
	line := slog.NewRecord(end, slog.LevelInfo, "http", 0) // Info would walk the stack for each
	line.AddAttrs(
		slog.String("domain", x.domain),
		slog.Int("status", x.Response().Status),
		slog.Duration("took", end.Sub(start)),
		slog.String("from", x.RealIP()))
	s.lineHandler(method(x.Request()), route(x)).Handle(ctx, line)
}

// lineHandler returns a handler that has method and route written already: there are
// few of them, and many lines.
func (s *server) lineHandler(method, route string) slog.Handler {
	key := [2]string{method, route}
	if h, ok := s.lines.Load(key); ok {
		return h.(slog.Handler)
	}
	h := s.Log.Handler().WithAttrs([]slog.Attr{slog.String("method", method), slog.String("route", route)})
	s.lines.Store(key, h)
	return h
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
