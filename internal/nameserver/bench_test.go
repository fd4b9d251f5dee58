package nameserver

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/metrics"

	"github.com/miekg/dns"
)

// BenchmarkQueries has dnsperf ask four servers in turn, second by second, for the
// same record: this one, the same answers by the library's own way, a bare handler
// of miekg/dns that writes one fixed record, and NSD. Whatever else the machine does
// falls on all of them.
func BenchmarkQueries(b *testing.B) {
	dnsperf := fixture.Tool(b, "dnsperf", "dnsperf")
	questions := fixture.Write(b, filepath.Join(b.TempDir(), "questions"), "_imaps._tcp.example.com SRV\n")
	servers := []struct{ name, addr string }{
		{"milepost", startOurs(b)},
		{"by-library", startByLibrary(b)},
		{"bare-miekg", startBare(b)},
		{"NSD", startNSD(b, fixture.Tool(b, "nsd", "nsd"), nsdZone)},
	}
	total := make(map[string]float64)
	for b.Loop() {
		for range 3 {
			for _, s := range servers {
				total[s.name] += perSecond(b, dnsperf, questions, s.addr)
			}
		}
	}
	rounds := float64(3 * b.N)
	for _, s := range servers {
		b.ReportMetric(total[s.name]/rounds, s.name+"-q/s")
	}
	b.ReportMetric(total["milepost"]/total["by-library"], "of-by-library")
	b.ReportMetric(total["milepost"]/total["bare-miekg"], "of-bare-miekg")
	b.ReportMetric(total["milepost"]/total["NSD"], "of-NSD")
}

var rate = regexp.MustCompile(`Queries per second:\s+([0-9.]+)`)

// perSecond runs dnsperf for a second.
func perSecond(b *testing.B, dnsperf, questions, addr string) float64 {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command(dnsperf, "-s", host, "-p", port, "-d", questions, "-l", "1", "-c", "8", "-q", "200").CombinedOutput()
	m := rate.FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("dnsperf: %v\n%s", err, out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func startOurs(b *testing.B) string {
	return listenLog(b, "127.0.0.1:0", Config{Zones: zoneSet(b, fixture.Family, nil), RateLimit: 50}, slog.New(slog.DiscardHandler)).Addr().String()
}

// startByLibrary has the library read and parse what udpConn would answer by itself,
// on as many sockets.
func startByLibrary(b *testing.B) string {
	s := quiet(b, Config{Zones: zoneSet(b, fixture.Family, nil), RateLimit: 50})
	tcp, udp, err := open([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		b.Fatal(err)
	}
	tcp[0].Close()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		q, name := m.Question[0], make([]byte, 255)
		n, err := dns.PackDomainName(q.Name, name, 0, nil, false)
		if err != nil {
			b.Error(err)
		}
		r := request{id: m.Id, name: name[:n], qtype: q.Qtype, class: q.Qclass}
		w.Write(s.state().reply(nil, &r, w.RemoteAddr().(*net.UDPAddr).AddrPort().Addr(), s.now()))
	})
	for _, c := range udp {
		serve(b, &dns.Server{PacketConn: c, Handler: handler})
	}
	return udp[0].LocalAddr().String()
}

// serve runs a server of the library until the benchmark ends.
func serve(b *testing.B, server *dns.Server) {
	ended := make(chan error)
	go func() { ended <- server.ActivateAndServe() }()
	b.Cleanup(func() { server.Shutdown(); <-ended })
}

func startBare(b *testing.B) string {
	rr := fixture.Record(b, "_imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.")
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	serve(b, &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		reply := new(dns.Msg).SetReply(m)
		reply.Answer = []dns.RR{rr}
		w.WriteMsg(reply)
	})})
	return c.LocalAddr().String()
}

const nsdZone = `example.com. 3600 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 1209600 300
example.com. 3600 IN NS ns.example.com.
ns.example.com. 3600 IN A 192.0.2.1
_imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.
mail.example.com. 3600 IN A 192.0.2.25
`

// startNSD has NSD serve example.com until the test ends.
func startNSD(t testing.TB, nsd, zone string, options ...string) string {
	t.Helper()
	port, dir := fixture.FreePort(t, "127.0.0.1"), fixture.Directory(t, "example.com.zone", zone)
	options = append(options, "    server-count: 2", "    reuseport: yes", "    rrl-ratelimit: 0", "zone:", "    name: example.com", "    zonefile: example.com.zone", "")
	conf := fixture.Write(t, filepath.Join(dir, "nsd.conf"), fixture.NSD("127.0.0.1", port, dir)+strings.Join(options, "\n"))
	fixture.Daemon(t, nsd, "-d", "-c", conf)
	addr := "127.0.0.1:" + port
	fixture.AwaitAnswer(t, addr, "example.com.", dns.TypeSOA, func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	return addr
}

// BenchmarkRespond is one plain query with a cookie, without the kernel.
func BenchmarkRespond(b *testing.B) {
	for name, m := range map[string]*metrics.Metrics{"counted": metrics.New(metrics.Sources{}), "uncounted": nil} {
		b.Run(name, func(b *testing.B) { benchmarkRespond(b, m) })
	}
}

func benchmarkRespond(b *testing.B, counts *metrics.Metrics) {
	s := quiet(b, Config{Zones: zoneSet(b, fixture.Family, nil), RateLimit: 50})
	s.Metrics = counts
	m := question("_imaps._tcp.example.com.", dns.TypeSRV)
	m.SetEdns0(1232, true)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Cookie: "0011223344556677"}}
	packet, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	var r request
	buf, client, now := make([]byte, 0, udpSize), netip.MustParseAddr("127.0.0.1"), s.now()
	b.ReportAllocs()
	for b.Loop() {
		if r.parse(packet) != responder || s.state().reply(buf, &r, client, now) == nil {
			b.Fatal("no reply")
		}
	}
}

// BenchmarkRateLimit asks for one name from one network, and for many from many.
func BenchmarkRateLimit(b *testing.B) {
	for _, bc := range []struct {
		name            string
		networks, kinds uint32
	}{{"one", 1, 1}, {"many", 1 << 20, 1 << 16}} {
		b.Run(bc.name, func(b *testing.B) {
			l := newLimiter(50, time.Unix(1_800_000_000, 0))
			now := time.Unix(1_800_000_000, 0)
			var i uint32
			for b.Loop() {
				i++
				var addr [4]byte
				binary.BigEndian.PutUint32(addr[:], 0x01000000+i%bc.networks<<8)
				l.allow(netip.AddrFrom4(addr), uint64(i%bc.kinds)*0x9e3779b97f4a7c15, now.Add(time.Duration(i)*1000))
			}
		})
	}
}
