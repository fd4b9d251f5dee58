package httpd

import (
	"crypto/tls"
	"net"
	"net/http"
)

// newStreams gives the HTTP/2 connections of a server to one of their own. When that is
// shut down, their clients are told at once which requests are answered and to send no
// others (GOAWAY, RFC 9113 §6.8). Shutdown of the first server would say so too, but
// end the idle connections of HTTP/1.1, and lose the requests on their way.
func newStreams(server *http.Server) *http.Server {
	s := &http.Server{
		TLSConfig:      server.TLSConfig.Clone(),
		ReadTimeout:    server.ReadTimeout,
		WriteTimeout:   server.WriteTimeout,
		IdleTimeout:    server.IdleTimeout,
		MaxHeaderBytes: server.MaxHeaderBytes,
		ErrorLog:       server.ErrorLog,
		HTTP2:          server.HTTP2,
		ConnState:      server.ConnState,
	}
	s.Serve(noListener{}) // ends at once; HTTP/2 is set up by then, in TLSNextProto
	serve := s.TLSNextProto["h2"]
	server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, c *tls.Conn, h http.Handler) {
			limited(c).SaysGoodbye()
			serve(s, c, h)
		},
	}
	return s
}

// noListener accepts nothing.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }
