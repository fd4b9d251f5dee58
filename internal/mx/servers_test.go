package mx

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// realZone is served by NSD.
const realZone = `$ORIGIN example.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
customer IN MX 10 mx1.hoster.example.
customer IN MX 20 backup.other.example.
alias IN CNAME customer
far IN CNAME alias
nomail IN MX 0 .
web IN A 192.0.2.1
loop IN CNAME pool
pool IN CNAME loop
xn--bcher-kva IN MX 10 mx1.hoster.example.
`

// manyHosts are too many for an answer over UDP; counting are those of them that count.
func manyHosts() (zone, counting string) {
	var records, hosts []string
	for i := range 99 {
		host := fmt.Sprintf("a-host-with-a-long-name-so-that-it-takes-room-%02d.hoster%02d.example", i, i)
		records, hosts = append(records, "many IN MX 10 "+host+".\n"), append(hosts, host)
	}
	return strings.Join(records, ""), strings.Join(hosts[:maxHosts], " ")
}

// forger guesses wrongly at who asked, and then answers.
func forger(w dns.ResponseWriter, q *dns.Msg) {
	for i := range 5 {
		m := reply(q, q.Question[0].Name+" 300 IN MX 10 forged.example.")
		m.Id += uint16(i) + 1
		w.WriteMsg(m)
	}
	w.WriteMsg(good(q))
}

// silence takes a question, and never answers.
func silence(dns.ResponseWriter, *dns.Msg) {}

// Unbound resolves, NSD has a zone, and two zones below it lie at name servers of which
// one says nothing and one too much.
func TestUnbound(t *testing.T) {
	unbound, nsd := fixture.Tool(t, "unbound", "unbound"), fixture.Tool(t, "nsd", "nsd")
	dir := t.TempDir()
	const host = "127.0.0.1"
	zonePort, silentPort, forgerPort, port := fixture.FreePort(t, host), fixture.FreePort(t, host), fixture.FreePort(t, host), fixture.FreePort(t, host)
	many, counting := manyHosts()
	fixture.Write(t, filepath.Join(dir, "example.zone"), realZone+many)
	conf := fixture.Write(t, filepath.Join(dir, "nsd.conf"), fixture.NSD(host, zonePort, dir)+"zone:\n    name: example.\n    zonefile: example.zone\n")
	fixture.Daemon(t, nsd, "-d", "-c", conf)
	fixture.AwaitAnswer(t, host+":"+zonePort, "customer.example.", dns.TypeMX, func(m *dns.Msg) bool { return len(m.Answer) == 2 })
	fixture.NameServer(t, silentPort, silence)
	fixture.NameServer(t, forgerPort, forger)
	conf = fixture.Write(t, filepath.Join(dir, "unbound.conf"), fmt.Sprintf(`server:
    interface: %s@%s
    do-ip6: no
    do-daemonize: no
    do-not-query-localhost: no
    module-config: "iterator"
    username: ""
    chroot: ""
    directory: %q
    pidfile: ""
    use-syslog: no
    num-threads: 1
remote-control:
    control-enable: no
stub-zone:
    name: example.
    stub-addr: %[1]s@%[4]s
stub-zone:
    name: silent.example.
    stub-addr: %[1]s@%[5]s
stub-zone:
    name: forged.example.
    stub-addr: %[1]s@%[6]s
`, host, port, dir, zonePort, silentPort, forgerPort))
	fixture.Daemon(t, unbound, "-d", "-c", conf)
	server := netip.MustParseAddrPort(host + ":" + port)
	fixture.AwaitAnswer(t, server.String(), "customer.example.", dns.TypeMX, func(*dns.Msg) bool { return true }) // a refusal, say: it is there

	r := New(Options{Server: server, Rate: 1000, Waiting: 800})
	silent := make(chan string)
	go func() { silent <- names(r.MX(t.Context(), fixture.Domain(t, "customer.silent.example"))) }()
	for _, tc := range []struct{ name, domain, want string }{
		{"an MX", "customer.example", "mx1.hoster.example"},
		{"an alias", "alias.example", "mx1.hoster.example"},
		{"an alias of one", "far.example", "mx1.hoster.example"},
		{"an internationalised name", "bücher.example", "mx1.hoster.example"},
		{"null MX", "nomail.example", ""},
		{"no MX", "web.example", ""},
		{"no such name", "nothing.example", ""},
		{"a loop", "loop.example", ""},
		{"truncated over UDP", "many.example", counting},
		{"forged on the way to the resolver", "customer.forged.example", "mx1.hoster.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 2 { // asked, then kept
				if got := names(r.MX(t.Context(), fixture.Domain(t, tc.domain))); got != tc.want {
					t.Errorf("%q, want %q", got, tc.want)
				}
			}
		})
	}
	select {
	case got := <-silent:
		t.Errorf("the silent one ends first: %q", got)
	default:
		if got := <-silent; got != "" {
			t.Errorf("the silent one says %q", got)
		}
	}
}

// On a real network: what strangers send is not taken, and what is lost is asked for
// again.
func TestHostileServers(t *testing.T) {
	forged := func(q *dns.Msg) []byte { return packed(reply(q, q.Question[0].Name+" 300 IN MX 10 forged.example.")) }
	var attempts atomic.Int32
	for _, tc := range []struct {
		name  string
		serve func(t *testing.T, w dns.ResponseWriter, q *dns.Msg)
		want  string
	}{
		{"another's address", func(t *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			// The kernel drops it, for the socket is connected.
			stranger, err := net.ListenPacket("udp", "127.0.0.2:0")
			if err != nil {
				t.Skip("this machine has no 127.0.0.2:", err)
			}
			defer stranger.Close()
			if _, err := stranger.WriteTo(forged(q), w.RemoteAddr()); err != nil {
				t.Error(err)
			}
			w.WriteMsg(good(q))
		}, "mx1.hoster.example"},
		{"guessed ids", func(_ *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			for i := range maxUnwanted {
				m := forged(q)
				binary.BigEndian.PutUint16(m, q.Id+uint16(i)+1)
				if w.LocalAddr().Network() == "udp" {
					w.Write(m)
				}
			}
			w.WriteMsg(good(q))
		}, "mx1.hoster.example"},
		{"lost", func(_ *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			if attempts.Add(1) > 1 {
				w.WriteMsg(good(q))
			}
		}, "mx1.hoster.example"},
		{"truncated", func(_ *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			m := good(q)
			if m.Truncated = w.LocalAddr().Network() == "udp"; m.Truncated {
				m.Answer[0].(*dns.MX).Mx = "forged.example."
			}
			w.WriteMsg(m)
		}, "mx1.hoster.example"},
		{"cut short over TCP", func(_ *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			if w.LocalAddr().Network() == "udp" {
				m := new(dns.Msg).SetReply(q)
				m.Truncated = true
				w.WriteMsg(m)
				return
			}
			w.Write(packed(good(q))[:20])
			w.Close()
		}, ""},
		{"a name of many letters", func(_ *testing.T, w dns.ResponseWriter, q *dns.Msg) {
			w.WriteMsg(reply(q, strings.ToUpper(q.Question[0].Name)+" 300 IN MX 10 MX1.HOSTER.EXAMPLE."))
		}, "mx1.hoster.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := fixture.NameServer(t, fixture.FreePort(t, "127.0.0.1"), func(w dns.ResponseWriter, q *dns.Msg) {
				if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != ednsSize || !q.RecursionDesired {
					t.Errorf("the question is %v", q)
				}
				tc.serve(t, w, q)
			})
			r := New(Options{Server: netip.MustParseAddrPort(addr), Rate: 10, Waiting: 8})
			if got := names(r.MX(t.Context(), fixture.Domain(t, "customer.example"))); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		r := New(Options{Server: netip.MustParseAddrPort("127.0.0.1:" + fixture.FreePort(t, "127.0.0.1")), Rate: 10, Waiting: 8})
		if got := r.MX(t.Context(), fixture.Domain(t, "customer.example")); got != nil {
			t.Errorf("%v", got)
		}
	})
}
