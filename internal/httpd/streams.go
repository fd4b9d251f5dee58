package httpd

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"milepost/internal/metrics"
)

// maxAnswering is how many HTTP/2 streams may be under way, over all connections that
// have more than one: a quarter of the requests that the default of [Limits] takes.
//
// A client can open a hundred streams on each connection and give none of the answers
// room (RFC 9113 §6.9.2); each would hold some 20 kB, and a place among the requests,
// until the write timeout. So a connection has an eighth of the places that are still
// free: all it asks for on a quiet server, and little beside many that do the same. The
// first one it has always.
const maxAnswering = 512

// streamsKey is where a request's context has the number of its connection's streams
// that are under way.
type streamsKey struct{}

func withStreams(ctx context.Context) context.Context {
	return context.WithValue(ctx, streamsKey{}, new(atomic.Int64))
}

// enterStream counts a request in. What is one too many is reset: its connection has
// shown that it need not read a refusal either.
func (s *server) enterStream(r *http.Request) (leave func()) {
	held, ok := r.Context().Value(streamsKey{}).(*atomic.Int64)
	if !ok || r.ProtoMajor != 2 {
		return func() {}
	}
	leave = func() {
		held.Add(-1)
		s.streams.Add(-1)
	}
	if own, all := held.Add(1), s.streams.Add(1); own > 1 && own > (maxAnswering-all)/8 {
		leave()
		s.Metrics.Limited(metrics.Overload)
		panic(http.ErrAbortHandler)
	}
	return leave
}

// written waits until the answer on a stream has found room. net/http would wait for
// that where nobody counts, behind the handler.
func written(c echo.Context) {
	if c.Request().ProtoMajor == 2 && c.Response().Size > 0 {
		_ = http.NewResponseController(c.Response().Writer).Flush() // else the client has left
	}
}
