package httpd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
)

// balancer is the load balancer that these tests trust.
var balancer = httpd.Proxies{Protocol: true, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}

// headerV2 is a PROXY header of version 2 in octets.
func headerV2(t *testing.T, command proxyproto.ProtocolVersionAndCommand, source string, tlvs ...proxyproto.TLV) string {
	t.Helper()
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source))
	h := proxyproto.HeaderProxyFromAddrs(2, from, &net.TCPAddr{IP: from.IP, Port: 443})
	h.Command = command
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	octets, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

func ssl(t *testing.T, client uint8) proxyproto.TLV {
	t.Helper()
	tlv, err := tlvparse.PP2SSL{Client: client, Verify: 1, TLV: []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return tlv
}

func TestPROXYProtocol(t *testing.T) {
	const (
		proxy, stranger = "10.0.0.1", "203.0.113.9"
		v1              = "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n"
		forged          = "Forwarded: for=198.51.100.7;proto=https\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
	)
	for _, tc := range []struct {
		name, from, sent string // before the request
		header           string // of the request
		want             string // status and client; nothing: the connection ends
		err              string // that the log names
	}{
		{"version 1", proxy, v1, "", "302 192.0.2.1", ""},
		{"version 1, IPv6", proxy, "PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n", "", "302 2001:db8::1", ""},
		{"version 1, unknown", proxy, "PROXY UNKNOWN\r\n", "", "302 10.0.0.1", ""},
		{"version 2", proxy, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711"), "", "302 192.0.2.1", ""},
		{"version 2, IPv6", proxy, headerV2(t, proxyproto.PROXY, "[2001:db8::1]:4711"), "", "302 2001:db8::1", ""},
		{"version 2, the proxy itself", proxy, headerV2(t, proxyproto.LOCAL, "192.0.2.1:4711"), "", "302 10.0.0.1", ""},
		{"TLS at the proxy", proxy, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711", ssl(t, tlvparse.PP2_BITFIELD_CLIENT_SSL)), "", "200 192.0.2.1", ""},
		{"no TLS at the proxy", proxy, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711", ssl(t, 0)), "", "302 192.0.2.1", ""},
		{"the client's headers are not the proxy's", proxy, v1, forged, "302 192.0.2.1", ""},
		{"a trusted proxy before the balancer", proxy, "PROXY TCP4 10.0.0.2 10.0.0.1 4711 80\r\n", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n", "200 192.0.2.1", ""},

		{"a stranger without one", stranger, "", forged, "302 203.0.113.9", ""},
		{"a stranger with one", stranger, v1, "", "400 ", ""}, // net/http refuses it
		{"a stranger with version 2", stranger, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711"), "", "400 ", ""},

		{"a proxy without one", proxy, "", forged, "", "proxyproto: proxy protocol signature not present"},
		{"no address", proxy, "PROXY TCP4 x 10.0.0.1 4711 80\r\n", "", "", "proxyproto: invalid address"},
		{"an address of the other family", proxy, "PROXY TCP4 2001:db8::1 10.0.0.1 4711 80\r\n", "", "", "proxyproto: invalid address"},
		{"no end of the line", proxy, "PROXY TCP4 " + strings.Repeat("1", 120), "", "", "proxyproto: version 1 header must be 107 bytes or less"},
		{"a made-up length", proxy, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711")[:14] + "\xff\xff", "", "", "proxyproto: invalid length"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				l, stop := serveProxied(t, balancer, &log)
				c := l.dial(net.ParseIP(tc.from))
				go io.WriteString(c, tc.sent+"GET /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.example.com\r\n"+tc.header+"Connection: close\r\n\r\n")
				answer, _ := io.ReadAll(c.r) // a reset is an end too
				c.Close()
				stop()
				got := ""
				if len(answer) > 0 {
					_, client, _ := strings.Cut(log.String(), " from=")
					client, _, _ = strings.Cut(client, " ")
					got = string(answer[len("HTTP/1.1 "):len("HTTP/1.1 200")]) + " " + client
				}
				if got != tc.want {
					t.Errorf("%q, want %q\n%s\n%s", got, tc.want, answer, log.String())
				}
				warned := ""
				if _, after, ok := strings.Cut(log.String(), `level=WARN msg="a trusted proxy began a connection without a PROXY header" peer=10.0.0.1:1024 err="`); ok {
					warned, _, _ = strings.Cut(after, "\"\n")
				}
				if (warned == "") != (tc.err == "") || !strings.HasPrefix(warned, tc.err) {
					t.Errorf("the log says %q, want %q", warned, tc.err)
				}
			})
		})
	}
}

// serveProxied serves in memory what sends Autodiscover by plain HTTP elsewhere.
func serveProxied(t *testing.T, proxies httpd.Proxies, log *logBuffer) (*memoryListener, func()) {
	t.Helper()
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	logger := slog.New(slog.NewTextHandler(log, nil))
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), "https://mail.example.net"), Proxies: proxies, Requests: log, Log: logger})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- serve(ctx, l, h, proxies, logger, 0) }()
	return l, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Proxies that say nothing, or half of a header, keep nobody waiting, and are not
// waited for long; the log hears of them once a minute.
func TestSilentProxies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		l, stop := serveProxied(t, balancer, &log)
		start := time.Now()
		silence := func() []memoryClient {
			var silent []memoryClient
			for i := range 300 { // more than one client may have
				c := l.dial(net.IPv4(10, 0, 0, 1))
				silent = append(silent, c)
				if i%2 == 0 {
					go io.WriteString(c, "\r\n\r\n\x00\r\nQUIT") // the begin of version 2
				}
			}
			return silent
		}
		silent := silence()
		c := l.dial(net.IPv4(10, 0, 0, 2))
		io.WriteString(c, "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n")
		if _, err := c.ask("/v1.1/example.com"); err != nil {
			t.Error(err)
		}
		c.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("a good one was answered after %v", took)
		}
		for _, c := range silent {
			io.ReadAll(c)
			c.Close()
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the last one ended after %v", took)
		}
		warnings := func() int { return strings.Count(log.String(), "level=WARN") }
		if n := warnings(); n != 1 {
			t.Errorf("%d warnings:\n%s", n, log.String())
		}
		time.Sleep(time.Minute)
		for _, c := range silence() {
			io.ReadAll(c)
			c.Close()
		}
		if n := warnings(); n != 2 {
			t.Errorf("%d warnings after a minute:\n%s", n, log.String())
		}
		stop()
	})
}

// Behind a balancer that passes TLS on, the header stands before the handshake.
func TestPROXYProtocolBeforeTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxies := httpd.Proxies{Trusted: httpd.Loopback(), Protocol: true}
	cert, key := fixture.Certificate(t, "example.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), "https://mail.example.net"), Proxies: proxies, Requests: &log, Log: logger})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- httpd.Serve(ctx, httpd.Service{
			Listeners: []httpd.Listener{{Listener: listener, Handler: h, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}},
			Limit:     httpd.NewLimit(8192, 256, proxies, logger), Proxies: proxies, Log: logger})
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, headerV2(t, proxyproto.PROXY, "192.0.2.1:4711"))
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	fmt.Fprint(secure, "GET /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.example.com\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(secure), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop() // the line is written behind the answer
	if resp.StatusCode != http.StatusOK || !strings.Contains(log.String(), "status=200") || !strings.Contains(log.String(), " from=192.0.2.1 ") {
		t.Errorf("%s\n%s", resp.Status, log.String())
	}
}
