package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"milepost/internal/connlimit"
)

// Limits of one connection. A request whose address has 10 kB still gets an
// answer of ours; a body may have 64 KiB.
const (
	readTimeout     = 5 * time.Second // of a whole request, and of a TLS handshake: a deadline of its own for the header would cost each of them
	writeTimeout    = 10 * time.Second
	idleTimeout     = 75 * time.Second
	shutdownTimeout = 10 * time.Second
	maxHeader       = 16 << 10 // octets
	maxStreams      = 100      // of HTTP/2 at a time, on one connection (RFC 9113 §6.5.2)
)

// sendBuffer is what the kernel takes for a client that does not read; left alone,
// it takes megabytes of answers, each of which has to be made.
const sendBuffer = 64 << 10 // octets

// descriptors is the share of the process's descriptors that connections may take. DNS has
// a quarter, and an eighth is for files.
const descriptors = 5.0 / 8

// drainGrace is how long a connection must be idle before a server that drains ends
// it. A busy client has asked again by then, and its answer said that the connection
// closes.
const drainGrace = 500 * time.Millisecond

// Listener is where to serve, and what.
type Listener struct {
	net.Listener
	Handler http.Handler
	TLS     *tls.Config // nil: plain HTTP
}

// Service is everything that is served over HTTP.
type Service struct {
	Listeners []Listener
	Limit     *connlimit.Limit // as [NewLimit] makes it
	Proxies   Proxies          // in front of all listeners
	Log       *slog.Logger
	Drain     time.Duration // how long a server that stops goes on answering
	// Handshaken hears how each TLS handshake ended: why it failed, or nothing; may be
	// nil.
	Handshaken func(failure string)
}

// Connections is how many of so many connections the descriptors of the process are
// enough for.
func Connections(total int) int { return connlimit.Affordable(total, descriptors) }

// NewLimit bounds the connections of all listeners: all of them, as far as the
// descriptors of the process go, and those of one client.
func NewLimit(total, perClient int, proxies Proxies, log *slog.Logger) *connlimit.Limit {
	return connlimit.New(connlimit.Bounds{
		Total:      Connections(total),
		PerNetwork: perClient,
		Network:    clientNetwork,
		Exempt:     proxies.Trusted,
	}, log)
}

// Serve answers until the context ends. Then each answer ends its connection, until none
// is left or the time to drain is over; at last Serve lets the requests under way finish.
// If one listener fails, so does Serve.
func Serve(ctx context.Context, s Service) error {
	var draining atomic.Bool
	if s.Handshaken == nil {
		s.Handshaken = func(string) {}
	}
	servers := make([]*http.Server, len(s.Listeners))
	for i, l := range s.Listeners {
		servers[i] = s.newServer(l, &draining)
	}
	running, failed := errgroup.WithContext(ctx)
	for i, l := range s.Listeners {
		running.Go(func() error {
			inner := s.Proxies.Listener(s.Limit.Listener(l.Listener), s.Log)
			if l.TLS != nil {
				inner = tls.NewListener(inner, servers[i].TLSConfig)
			}
			if err := servers[i].Serve(inner); err != http.ErrServerClosed {
				return err
			}
			return nil
		})
	}
	running.Go(func() error {
		<-failed.Done() // or told to stop
		if ctx.Err() != nil {
			draining.Store(true)
			drainConns(s.Limit, s.Drain)
		}
		atMost, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		var closing errgroup.Group
		for _, server := range servers {
			closing.Go(func() error { return server.Shutdown(atMost) })
		}
		return closing.Wait()
	})
	return running.Wait()
}

func (s Service) newServer(l Listener, draining *atomic.Bool) *http.Server {
	server := &http.Server{
		Handler:        answering(l.Handler, draining),
		TLSConfig:      l.TLS,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       stdlog.New(serverLog{s}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			WriteByteTimeout:     writeTimeout, // else a client that reads nothing stays
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conn := limited(c)
			if tcp, ok := conn.Conn.(*net.TCPConn); ok {
				tcp.SetWriteBuffer(sendBuffer) // an error leaves it as it was
			}
			if l.TLS != nil {
				conn.ExactDeadlines()
				ctx = withStreams(ctx)
			}
			return context.WithValue(withProxied(ctx, c), connKey{}, conn)
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
	if l.TLS != nil {
		server.TLSConfig = l.TLS.Clone()
		server.TLSConfig.VerifyConnection = func(tls.ConnectionState) error { // the handshake has gone well
			s.Handshaken("")
			return nil
		}
	}
	return server
}

// serverLog takes what net/http has to say.
type serverLog struct{ Service }

func (s serverLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if strings.HasPrefix(text, "http: TLS handshake error") {
		// Scanners, clients that leave: nobody here can do anything about it.
		s.Handshaken(text)
		s.Log.Debug("a TLS handshake failed", "err", text)
		return len(line), nil
	}
	s.Log.Warn("net/http complains", "err", text)
	return len(line), nil
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

// limited returns the connection that was accepted, from under TLS and a PROXY header
// too.
func limited(c net.Conn) *connlimit.Conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if p, ok := c.(*proxied); ok {
		c = p.Raw()
	}
	return c.(*connlimit.Conn)
}

// clientNetwork is one address of IPv4, and what one household has of IPv6.
func clientNetwork(a netip.Addr) netip.Prefix { return connlimit.NetworkOf(a, 32, 64) }
