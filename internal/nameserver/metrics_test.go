package nameserver

import (
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/metrics"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// Every response is counted once, whichever way it takes, with its whole code.
func TestResponsesCounted(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil), RateLimit: 1})
	s.Metrics = metrics.New(metrics.Sources{})
	pack := func(name string, qtype uint16, change func(*dns.Msg)) []byte {
		t.Helper()
		m := question(name, qtype)
		if change != nil {
			change(m)
		}
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	srv := pack("_imaps._tcp.example.com.", dns.TypeSRV, nil)
	udp := func(client string, packet []byte) {
		t.Helper()
		var r request
		if r.parse(packet) != responder {
			t.Fatal("not answered here")
		}
		s.state().reply(nil, &r, netip.MustParseAddr(client), s.now())
	}
	udp("127.0.0.1", srv)
	udp("127.0.0.1", pack("_imaps._tcp.example.net.", dns.TypeSRV, nil))
	udp("127.0.0.1", pack("_none._tcp.example.com.", dns.TypeLOC, nil))
	udp("127.0.0.1", srv[:len(srv)-1])
	udp("127.0.0.1", pack("_imaps._tcp.example.com.", dns.TypeSRV, func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }))
	for range 3 {
		udp("192.0.2.1", srv) // one passes; of two others, one is dropped
	}
	if _, done := (tcpReader{server: s}).answer(srv, netip.MustParseAddr("192.0.2.1")); !done {
		t.Error("not answered here")
	}
	s.ServeDNS(&discarding{}, question("example.com.", dns.TypeAXFR))

	w := httptest.NewRecorder()
	s.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "milepost_dns_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff([]string{
		`milepost_dns_limited_total{result="dropped"} 1`,
		`milepost_dns_limited_total{result="truncated"} 1`,
		`milepost_dns_responses_total{rcode="BADVERS",transport="udp",type="SRV"} 1`,
		`milepost_dns_responses_total{rcode="FORMERR",transport="udp",type="none"} 1`,
		`milepost_dns_responses_total{rcode="NOERROR",transport="tcp",type="SRV"} 1`,
		`milepost_dns_responses_total{rcode="NOERROR",transport="udp",type="SRV"} 2`,
		`milepost_dns_responses_total{rcode="NXDOMAIN",transport="udp",type="other"} 1`,
		`milepost_dns_responses_total{rcode="REFUSED",transport="tcp",type="AXFR"} 1`,
		`milepost_dns_responses_total{rcode="REFUSED",transport="udp",type="SRV"} 1`,
	}, got); diff != "" {
		t.Error(diff)
	}
}

// discarding is a connection of TCP that nobody reads.
type discarding struct{ dns.ResponseWriter }

func (discarding) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:53"))
}
func (discarding) TsigStatus() error       { return nil }
func (discarding) WriteMsg(*dns.Msg) error { return nil }
