package httpd

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Proxies says which reverse proxies and load balancers stand before the server. What
// anybody else says about a client is not believed.
type Proxies struct {
	// Trusted has the addresses of the proxies, without IPv4 in IPv6. What those say
	// about the client counts.
	Trusted []netip.Prefix
	// Protocol has each of them begin every connection with a PROXY header, v1 or v2.
	Protocol bool
}

// Loopback is who is trusted unless the admin says otherwise: a proxy on the same
// machine. Nobody else can come from there, unless a program relays connections
// without saying so.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool { return t.Contains(a) })
}

// origin returns whose request it is (zero: not known), and whether it came encrypted,
// to us or to a proxy before us.
func (p Proxies) origin(r *http.Request) (client netip.Addr, secure bool) {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	client, secure = plain(peer.Addr()), r.TLS != nil || p.Protocol && encryptedBefore(r)
	if !p.trusts(client) {
		return client, secure
	}
	forwarded, addrs, protos := r.Header["Forwarded"], r.Header[echo.HeaderXForwardedFor], r.Header[echo.HeaderXForwardedProto]
	if forwarded == nil && addrs == nil && protos == nil {
		return client, secure
	}
	// A proxy may set one kind of header and pass on what the client wrote into the
	// other. Nobody can tell which is which, so both have to say the same.
	one, ok := p.readForwarded(forwarded)
	other := p.readXForwarded(addrs, protos)
	said, same := agreed(one.client, other.client)
	proto, alike := agreed(one.proto, other.proto)
	if !ok || !same || !alike {
		return client, secure
	}
	if said.IsValid() {
		client = said
	}
	if proto != "" {
		secure = proto == "https"
	}
	return client, secure
}

// agreed returns what two say, or the one that says anything.
func agreed[T comparable](a, b T) (said T, ok bool) {
	var nothing T
	switch {
	case a == nothing:
		return b, true
	case b == nothing || a == b:
		return a, true
	}
	return nothing, false
}

// plain is an address as it is compared and logged. A zone is a word of the sender's.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// claim is what proxies say about a client, as far as they say it.
type claim struct {
	client netip.Addr
	proto  string // in lower case
}

// hops takes what each proxy on the way says about the one before it, from the
// client's end to ours. The client is the last one that is no proxy of ours: what
// stands before it, it may have written itself.
type hops struct {
	Proxies
	claim
	count, found int // found is the hop that the claim is about, from 1
}

// add takes the next hop; a zero address: the proxy does not tell it.
func (h *hops) add(a netip.Addr, proto string) {
	h.count++
	switch {
	case h.count == 1 || !h.trusts(a):
		h.client, h.proto, h.found = a, strings.ToLower(proto), h.count
	case !h.client.IsValid():
		h.client = a // the proxy nearest to the one that is not told
	}
}

// readXForwarded reads X-Forwarded-For and X-Forwarded-Proto, which have no standard.
// Proxies add to the first, and set the second or add to it; so both count from our end.
func (p Proxies) readXForwarded(addrs, protos []string) claim {
	h := hops{Proxies: p}
	for _, s := range elements(addrs) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			a = parseNode(s) // Azure's gateway adds a port
		}
		h.add(plain(a), "")
	}
	if all := elements(protos); len(all) > 0 {
		h.proto = strings.ToLower(all[max(0, len(all)-1-(h.count-h.found))])
	}
	return h.claim
}

// elements takes a list apart that may stand in several header lines.
func elements(lines []string) []string {
	var all []string
	for _, line := range lines {
		for s := range strings.SplitSeq(line, ",") {
			if s = strings.Trim(s, " \t"); s != "" {
				all = append(all, s)
			}
		}
	}
	return all
}
