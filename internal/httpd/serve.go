package httpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"milepost/internal/connlimit"
)

// Limits of one connection. A request whose address has 10 kB still gets an
// answer of ours; a body may have 64 KiB.
const (
	readTimeout     = 5 * time.Second // of a whole request: a deadline of its own for the header would cost each of them
	writeTimeout    = 10 * time.Second
	idleTimeout     = 75 * time.Second
	shutdownTimeout = 10 * time.Second
	maxHeader       = 16 << 10 // octets
)

// sendBuffer is what the kernel takes for a client that does not read; left alone,
// it takes megabytes of answers, each of which has to be made.
const sendBuffer = 64 << 10 // octets

// DefaultDrain is long enough for a load balancer to notice that the server goes.
const DefaultDrain = 5 * time.Second

// drainGrace is how long a connection must be idle before a server that drains ends
// it. A busy client has asked again by then, and its answer said that the connection
// closes.
const drainGrace = 500 * time.Millisecond

// Serve answers on a listener until the context ends. Then each answer ends its
// connection, until none is left or the time to drain is over; at last Serve lets the
// requests under way finish.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, drain time.Duration, bounds Connections) error {
	limit := connlimit.New(connlimit.Bounds{
		Total:      connlimit.Affordable(cmp.Or(bounds.Total, defaultTotal), 2),
		PerNetwork: cmp.Or(bounds.PerClient, defaultPerClient),
		Network:    bounds.network,
	}, log)
	var draining atomic.Bool
	srv := &http.Server{
		Handler:        answering(h, &draining),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conn := limited(c)
			if tcp, ok := conn.Conn.(*net.TCPConn); ok {
				tcp.SetWriteBuffer(sendBuffer) // an error leaves it as it was
			}
			return context.WithValue(ctx, connKey{}, conn)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateActive:
				limited(c).SetState(connlimit.Receiving)
			case http.StateIdle:
				limited(c).SetState(connlimit.Idle)
			}
		},
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		draining.Store(true)
		drainConns(limit, drain)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		stopped <- srv.Shutdown(ctx)
	})
	err := srv.Serve(limit.Listener(l))
	if stop() {
		return err // it ended by itself
	}
	return <-stopped
}

// drainConns waits until the last connection has ended. http.Server's Shutdown and
// SetKeepAlivesEnabled(false) end idle connections at once, and lose the requests
// that are on their way.
func drainConns(limit *connlimit.Limit, atMost time.Duration) {
	const often = 10 * time.Millisecond
	for end := time.Now().Add(atMost); limit.Open() > 0 && time.Now().Before(end); time.Sleep(often) {
		limit.CloseIdle(time.Now().Add(-drainGrace))
	}
}

// answering notes which connections are being answered, and lets every answer of a
// server that stops end its connection.
func answering(h http.Handler, draining *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*connlimit.Conn); ok {
			c.SetState(connlimit.Answering)
		}
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// connKey is where a request's context has its connection.
type connKey struct{}

// limited returns the connection that was accepted, from under TLS too.
func limited(c net.Conn) *connlimit.Conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*connlimit.Conn)
}

// network returns the client that an address counts for; zero: it speaks for many.
func (b Connections) network(a netip.Addr) netip.Prefix {
	if b.Spared != nil && b.Spared(a) {
		return netip.Prefix{}
	}
	return connlimit.NetworkOf(a, 32, 64)
}
