package nameserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkQueries has dnsperf ask four servers in turn, second by second, for the
// same record: this one, the same answers by the library's own way, a bare handler
// of miekg/dns that writes one fixed record, and NSD. Whatever else the machine does
// falls on all of them.
func BenchmarkQueries(b *testing.B) {
	dnsperf, err := exec.LookPath("dnsperf")
	if err != nil {
		b.Skip("dnsperf is not here; Debian has it in dnsperf")
	}
	nsd := nsdPath()
	if nsd == "" {
		b.Skip("nsd is not here; Debian has it in nsd")
	}
	work := b.TempDir()
	questions := filepath.Join(work, "questions")
	if err := os.WriteFile(questions, []byte("_imaps._tcp.example.com SRV\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	servers := []struct{ name, addr string }{
		{"milepost", startOurs(b)},
		{"by-library", startByLibrary(b)},
		{"bare-miekg", startBare(b)},
		{"NSD", startNSD(b, nsd, work, nsdZone)},
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
	return listenLog(b, "127.0.0.1:0", Config{Zones: zoneSet(b, family, nil), RateLimit: 50}, slog.New(slog.DiscardHandler)).Addr().String()
}

// startByLibrary has the library read and parse what udpConn would answer by itself,
// on as many sockets.
func startByLibrary(b *testing.B) string {
	s := quiet(b, Config{Zones: zoneSet(b, family, nil), RateLimit: 50})
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
	rr, err := dns.NewRR("_imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.")
	if err != nil {
		b.Fatal(err)
	}
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

func nsdPath() string {
	for _, name := range []string{"nsd", "/usr/sbin/nsd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

const nsdZone = `example.com. 3600 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 1209600 300
example.com. 3600 IN NS ns.example.com.
ns.example.com. 3600 IN A 192.0.2.1
_imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.
mail.example.com. 3600 IN A 192.0.2.25
`

// startNSD has NSD serve example.com until the test ends.
func startNSD(b testing.TB, nsd, work, zone string, options ...string) string {
	s, err := Listen("127.0.0.1:0", Config{}.current(), time.Now, nil) // finds a port that is free for UDP and TCP
	if err != nil {
		b.Fatal(err)
	}
	addr := s.Addr()
	s.tcp[0].Close()
	for _, c := range s.udp {
		c.Close()
	}
	conf := fmt.Sprintf(`server:
    ip-address: 127.0.0.1@%d
    server-count: 2
    reuseport: yes
    rrl-ratelimit: 0
    username: ""
    database: ""
    zonesdir: %q
    xfrdir: %[2]q
    pidfile: "%[2]s/nsd.pid"
    xfrdfile: "%[2]s/xfrd.state"
    zonelistfile: "%[2]s/zone.list"
    logfile: "%[2]s/nsd.log"
%[3]s
remote-control:
    control-enable: no
zone:
    name: example.com
    zonefile: example.com.zone
`, addr.Port, work, strings.Join(options, "\n"))
	for name, text := range map[string]string{"nsd.conf": conf, "example.com.zone": zone} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nsd, "-d", "-c", filepath.Join(work, "nsd.conf"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its children
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); cmd.Wait() })
	for range 1200 {
		if reply, err := dns.Exchange(question("example.com.", dns.TypeSOA), addr.String()); err == nil && len(reply.Answer) == 1 {
			return addr.String()
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(work, "nsd.log"))
	b.Fatalf("NSD does not answer:\n%s", log)
	return ""
}

// BenchmarkRespond is one plain query with a cookie, without the kernel.
func BenchmarkRespond(b *testing.B) {
	s := quiet(b, Config{Zones: zoneSet(b, family, nil), RateLimit: 50})
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
