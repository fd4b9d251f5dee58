package httpd

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// clientOf returns the address that a request comes from; zero: it has none.
func clientOf(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
}

// isHTTPS believes a proxy's X-Forwarded-Proto: who forges it misses a redirect
// and nothing else.
func isHTTPS(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get(echo.HeaderXForwardedProto), ",") // the one nearest to the client
	return r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https")
}
