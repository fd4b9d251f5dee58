package observe

import (
	"net/netip"
	"slices"
)

// notPublic are the networks in which nobody on the Internet has an address (IANA's
// registries of special-purpose addresses, RFC 6890), and one that Azure has its
// machines' own services at. Of IPv6 only 2000::/3 is looked at.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32",
	"2001::/23",     // Teredo among them, which has an IPv4 address in it
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which has one too
	"3fff::/20",     // documentation
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// Public tells whether an address is one of the Internet's: what a stranger may have asked.
// So nobody reaches inside networks, or a cloud's metadata, through the doctor.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = Plain(a)
	return (a.Is4() || globalUnicast.Contains(a)) && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Plain is the address that is meant: one of IPv4 for one that stands in IPv6, mapped or for
// NAT64.
func Plain(a netip.Addr) netip.Addr {
	if a = a.Unmap(); nat64.Contains(a) {
		octets := a.As16()
		return netip.AddrFrom4([4]byte(octets[12:]))
	}
	return a
}
