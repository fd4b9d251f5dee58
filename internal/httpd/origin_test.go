package httpd

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// inside is what these tests trust.
var inside = Proxies{Trusted: []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10")}}

// from is a request of a peer, with lines of header.
func from(peer, header string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: make(http.Header)}
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestOrigin(t *testing.T) {
	const proxy = "10.0.0.1:4711"
	for _, tc := range []struct {
		name, peer, header string
		want               string // the client; secure, if it came so
	}{
		{"no header", proxy, "", "10.0.0.1"},
		{"a stranger says nothing", "203.0.113.9:1", "Forwarded: for=192.0.2.1;proto=https\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nX-Real-Ip: 192.0.2.1", "203.0.113.9"},
		{"loopback is not trusted by itself", "127.0.0.1:1", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https", "127.0.0.1"},
		{"a proxy in mapped IPv6", "[::ffff:10.0.0.1]:1", "X-Forwarded-For: 192.0.2.1", "192.0.2.1"},
		{"a proxy on the link", "[fe80::1%eth0]:1", "X-Forwarded-For: 192.0.2.1", "192.0.2.1"},
		{"a peer without an address", "@", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https", "invalid IP"},

		{"X-Forwarded", proxy, "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https", "192.0.2.1 secure"},
		{"plain", proxy, "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http", "192.0.2.1"},
		{"the scheme alone", proxy, "X-Forwarded-Proto: HTTPS", "10.0.0.1 secure"},
		{"no scheme that we know", proxy, "X-Forwarded-Proto: wss", "10.0.0.1"},
		{"X-Real-IP is not read", proxy, "X-Real-Ip: 192.0.2.1", "10.0.0.1"},
		{"what the client wrote before", proxy, "X-Forwarded-For: 198.51.100.7, 192.0.2.1", "192.0.2.1"},
		{"the same in two lines", proxy, "X-Forwarded-For: 198.51.100.7\nX-Forwarded-For: 192.0.2.1", "192.0.2.1"},
		{"a trusted address that the client wrote", proxy, "X-Forwarded-For: 10.9.9.9, 192.0.2.1", "192.0.2.1"},
		{"several proxies", proxy, "X-Forwarded-For: 192.0.2.1, 10.0.0.3,10.0.0.2", "192.0.2.1"},
		{"several proxies and schemes", proxy, "X-Forwarded-For: 192.0.2.1, 10.0.0.3, 10.0.0.2\nX-Forwarded-Proto: https, http, http", "192.0.2.1 secure"},
		{"a scheme that the client wrote before", proxy, "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https, http", "192.0.2.1"},
		{"fewer schemes than proxies", proxy, "X-Forwarded-For: 192.0.2.1, 10.0.0.3, 10.0.0.2\nX-Forwarded-Proto: https", "192.0.2.1 secure"},
		{"all are proxies", proxy, "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"IPv6", proxy, "X-Forwarded-For: 2001:db8::1", "2001:db8::1"},
		{"IPv6 in brackets, and a port", proxy, "X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1"},
		{"IPv4 and a port", proxy, "X-Forwarded-For: 192.0.2.1:4711", "192.0.2.1"},
		{"a zone", proxy, "X-Forwarded-For: 2001:db8::1%x status=200", "2001:db8::1"},
		{"unknown", proxy, "X-Forwarded-For: unknown", "10.0.0.1"},
		{"unknown before a proxy", proxy, "X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"no address", proxy, "X-Forwarded-For: 192.0.2.1\" or 1=1", "10.0.0.1"},
		{"nothing in it", proxy, "X-Forwarded-For: \nX-Forwarded-Proto: ,", "10.0.0.1"},
		{"empty elements", proxy, "X-Forwarded-For: , 192.0.2.1 ,,", "192.0.2.1"},

		{"Forwarded", proxy, "Forwarded: for=192.0.2.1;proto=https;by=10.0.0.1;host=example.com", "192.0.2.1 secure"},
		{"letter case, spaces and an unknown parameter", proxy, "Forwarded: Proto=HTTPS; X=y;; FOR=\"192.0.2.1\"", "192.0.2.1 secure"},
		{"Forwarded, plain", proxy, "Forwarded: for=192.0.2.1;proto=http", "192.0.2.1"},
		{"Forwarded, the scheme alone", proxy, "Forwarded: proto=https", "10.0.0.1 secure"},
		{"Forwarded, IPv6", proxy, "Forwarded: for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
		{"Forwarded, IPv4 and a port", proxy, "Forwarded: for=\"192.0.2.1:4711\"", "192.0.2.1"},
		{"Forwarded, a made-up port", proxy, "Forwarded: for=\"192.0.2.1:_a.b-c\"", "192.0.2.1"},
		{"an escaped character", proxy, "Forwarded: for=\"192.0.\\2.1\"", "192.0.2.1"},
		{"Forwarded, several proxies", proxy, "Forwarded: for=192.0.2.1;proto=https, for=10.0.0.3;proto=http\nForwarded: for=10.0.0.2;proto=http", "192.0.2.1 secure"},
		{"Forwarded, what the client wrote before", proxy, "Forwarded: for=198.51.100.7;proto=https\nForwarded: , for=192.0.2.1;proto=http", "192.0.2.1"},
		{"Forwarded, unknown", proxy, "Forwarded: for=unknown;proto=https", "10.0.0.1 secure"},
		{"a made-up name before a proxy", proxy, "Forwarded: for=_hidden;proto=https, for=10.0.0.2;proto=http", "10.0.0.2 secure"},
		{"a delimiter in quotes", proxy, "Forwarded: x=\",;for=198.51.100.7\";for=192.0.2.1", "192.0.2.1"},
		{"IPv6 without brackets", proxy, "Forwarded: for=\"2001:db8::1\"", "10.0.0.1"},
		{"IPv4 in brackets", proxy, "Forwarded: for=\"[192.0.2.1]\"", "10.0.0.1"},
		{"no port", proxy, "Forwarded: for=\"192.0.2.1:\"", "10.0.0.1"},
		{"a long port", proxy, "Forwarded: for=\"192.0.2.1:123456\"", "10.0.0.1"},
		{"behind the brackets", proxy, "Forwarded: for=\"[2001:db8::1]x\"", "10.0.0.1"},

		{"a quote that the client opened", proxy, "Forwarded: for=198.51.100.7;x=\", for=192.0.2.1;proto=https", "10.0.0.1"},
		{"and one that the proxy closed", proxy, "Forwarded: for=198.51.100.7;x=\", for=\"[2001:db8::1]\";proto=https", "10.0.0.1"},
		{"an escape at the end", proxy, "Forwarded: for=\"192.0.2.1\\", "10.0.0.1"},
		{"no value", proxy, "Forwarded: for=;proto=https", "10.0.0.1"},
		{"no name", proxy, "Forwarded: =192.0.2.1", "10.0.0.1"},
		{"no equals sign", proxy, "Forwarded: for=192.0.2.1;proto", "10.0.0.1"},
		{"for twice", proxy, "Forwarded: for=192.0.2.1;for=198.51.100.7", "10.0.0.1"},
		{"proto twice", proxy, "Forwarded: for=192.0.2.1;proto=http;Proto=https", "10.0.0.1"},
		{"brackets without quotes", proxy, "Forwarded: for=[2001:db8::1]", "10.0.0.1"},

		{"both say the same", proxy, "Forwarded: for=192.0.2.1;proto=https\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https", "192.0.2.1 secure"},
		{"each says a part", proxy, "Forwarded: for=192.0.2.1\nX-Forwarded-Proto: https", "192.0.2.1 secure"},
		{"another client", proxy, "Forwarded: for=198.51.100.7\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https", "10.0.0.1"},
		{"another scheme", proxy, "Forwarded: for=192.0.2.1;proto=https\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http", "10.0.0.1"},
		{"malformed beside the other", proxy, "Forwarded: \"\nX-Forwarded-For: 192.0.2.1", "10.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := origin(from(tc.peer, tc.header)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// The scheme that a trusted proxy says counts more than that of its own connection.
func TestOriginOverTLS(t *testing.T) {
	for header, want := range map[string]string{
		"":                           "10.0.0.1 secure",
		"X-Forwarded-For: 192.0.2.1": "192.0.2.1 secure",
		"X-Forwarded-Proto: http":    "10.0.0.1",
		"Forwarded: proto=http":      "10.0.0.1",
		"Forwarded: proto=http;;=":   "10.0.0.1 secure", // malformed
	} {
		r := from("10.0.0.1:1", header)
		r.TLS = new(tls.ConnectionState)
		if got := origin(r); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

func origin(r *http.Request) string {
	client, secure := inside.origin(r)
	if secure {
		return client.String() + " secure"
	}
	return client.String()
}

// FuzzForwarded: a proxy may say what it likes, the client has an address without a
// zone; a stranger may say what he likes, nothing changes.
func FuzzForwarded(f *testing.F) {
	f.Add("for=192.0.2.1;proto=https;by=_x, For=\"[2001:db8::1]:4711\"", "", "")
	f.Add("for=\"\\\"\";x=\"", "unknown, 10.0.0.1, fe80::1%x", "https, http")
	f.Add(", ;", "[::1]:80,", ",")
	f.Fuzz(func(t *testing.T, forwarded, addrs, protos string) {
		header := http.Header{"Forwarded": {forwarded, forwarded}, "X-Forwarded-For": {addrs}, "X-Forwarded-Proto": {protos}}
		client, _ := inside.origin(&http.Request{RemoteAddr: "10.0.0.1:1", Header: header})
		if !client.IsValid() || client.Zone() != "" || client.Is4In6() {
			t.Errorf("the client is %v", client)
		}
		client, secure := inside.origin(&http.Request{RemoteAddr: "203.0.113.9:1", Header: header})
		if client.String() != "203.0.113.9" || secure {
			t.Errorf("a stranger became %v, secure %v", client, secure)
		}
		// What the client wrote comes first, and a proxy that adds a line of its own
		// says who it was, or the whole is malformed.
		header["Forwarded"] = []string{forwarded, "for=192.0.2.1;proto=http"}
		delete(header, "X-Forwarded-For")
		delete(header, "X-Forwarded-Proto")
		if client, secure = inside.origin(&http.Request{RemoteAddr: "10.0.0.1:1", Header: header}); client.String() != "192.0.2.1" && client.String() != "10.0.0.1" || secure {
			t.Errorf("the client made itself %v, secure %v", client, secure)
		}
	})
}

// BenchmarkOrigin: a request without such a header costs no memory.
func BenchmarkOrigin(b *testing.B) {
	for _, bc := range []struct{ name, peer, header string }{
		{"none", "10.0.0.1:1", ""},
		{"stranger", "203.0.113.9:1", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https"},
		{"X-Forwarded", "10.0.0.1:1", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https"},
		{"Forwarded", "10.0.0.1:1", "Forwarded: for=192.0.2.1;proto=https"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			r := from(bc.peer, bc.header)
			b.ReportAllocs()
			for b.Loop() {
				inside.origin(r)
			}
		})
	}
}

func TestOriginWithoutHeaderAllocatesNothing(t *testing.T) {
	r := from("10.0.0.1:1", "")
	if n := testing.AllocsPerRun(100, func() { inside.origin(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
