package httpd

import (
	"net"
	"strings"

	"github.com/labstack/echo/v4"
)

// hsts keeps browsers on HTTPS for a year (RFC 6797 §6.1.1).
const hsts = "max-age=31536000"

// overHTTPS is where a person is sent who asked for a page in clear text. Mail programs
// are sent nowhere: some know nothing else. Without HTTPS of our own nobody is, for a
// proxy that does not say that the client came encrypted would make a circle of it.
func overHTTPS(x *exchange) (to string, ok bool) {
	s := x.snapshot
	if x.secure || s.PublicURL == "" || len(s.Config.HTTPS.Listen) == 0 {
		return "", false
	}
	u := x.Request().URL
	to = s.PublicURL + "/" + strings.TrimLeft(u.EscapedPath(), "/") // another path at our own host
	if u.RawQuery != "" {
		to += "?" + u.RawQuery
	}
	return to, true
}

// strictTransport says on the service's own host alone that there is HTTPS: a
// customer's names may lead elsewhere tomorrow.
func strictTransport(x *exchange) {
	r := x.Request()
	if r.TLS == nil {
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if host != "" && strings.EqualFold(host, string(x.snapshot.Host())) {
		x.Response().Header().Set(echo.HeaderStrictTransportSecurity, hsts)
	}
}
