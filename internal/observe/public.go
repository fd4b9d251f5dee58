package observe

import (
	"net/netip"
	"slices"
)

// ports are those of the web, of mail, and of name servers.
var ports = []uint16{53, 80, 443, 110, 143, 465, 587, 993, 995}

// reserved are the networks that lead nowhere, or into somebody's own (IANA's registries
// of special-purpose addresses, RFC 6890), beside those that netip names.
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10")

// embedding are the networks whose addresses stand for an IPv4 address, with the octet at
// which that begins (RFC 6052, RFC 3056).
var embedding = map[netip.Prefix]int{netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("2002::/16"): 2}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Public tells whether an address may be connected to on behalf of a stranger: it is one
// of the public internet, at a port of the web, of mail or of DNS. So nobody reaches
// inside networks, or a cloud's metadata, through the doctor.
func Public(at netip.AddrPort) bool {
	return slices.Contains(ports, at.Port()) && public(at.Addr())
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() { // which loopback, link-local and multicast are not
		return false
	}
	for p, at := range embedding {
		if p.Contains(a) {
			b := a.As16()
			return public(netip.AddrFrom4([4]byte(b[at : at+4])))
		}
	}
	return !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}
