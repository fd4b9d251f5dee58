package snapshot

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"milepost/settings"
)

// hostOf is the name in a public URL, which has the certificate. Clients look for
// Autodiscover on port 443 alone, so with another port there is none.
func hostOf(publicURL string) settings.Hostname {
	u, err := url.Parse(publicURL)
	if err != nil || u.Port() != "" && u.Port() != "443" {
		return ""
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ""
	}
	return settings.Hostname(u.Hostname())
}

// shared is the address space between carriers and customers (RFC 6598): no more
// public than that of RFC 1918.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// ownAddresses returns the addresses at which this machine is reached, as far as it
// knows: the one that is listened on, else the public ones of its interfaces, else the
// private ones.
func ownAddresses(listen string) []netip.Addr {
	resolved, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil // listening will say why
	}
	host := resolved.AddrPort().Addr().Unmap()
	if host.IsValid() && !host.IsUnspecified() {
		return []netip.Addr{host}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var public, private []netip.Addr
	for _, i := range interfaces {
		p, err := netip.ParsePrefix(i.String())
		switch a := p.Addr().Unmap(); {
		case err != nil || !a.IsGlobalUnicast():
		case strings.HasPrefix(listen, "0.0.0.0:") && a.Is6(), strings.HasPrefix(listen, "[::]:") && a.Is4():
		case a.IsPrivate() || shared.Contains(a):
			private = append(private, a)
		default:
			public = append(public, a)
		}
	}
	if len(public) > 0 {
		return public
	}
	return private
}
