package nameserver

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
)

// catalogSet has a catalog zone with the zones of some domains.
func catalogSet(t testing.TB, before *zones.Set, serial uint32, domains ...string) *zones.Set {
	t.Helper()
	c := fixture.Catalogue(t, "many.toml", strings.Replace(fixture.Family, `["example.com"]`, `["`+strings.Join(domains, `", "`)+`"]`, 1))
	set, err := zones.New(c, c.Own(), &config.Config{DNS: config.DNS{CatalogZone: "catalog.example.net.", DomainZones: []string{"_tcp"},
		NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}, before, time.Unix(int64(serial), 0), serial)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// words are the records of a catalog zone, a word each.
func words(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		switch rr := rr.(type) {
		case *dns.SOA:
			out = append(out, fmt.Sprint(rr.Serial))
		case *dns.PTR:
			out = append(out, strings.TrimSuffix(strings.TrimPrefix(rr.Ptr, "_tcp."), ".example."))
		case *dns.NS:
			out = append(out, "NS")
		case *dns.TXT:
			out = append(out, "TXT")
		}
	}
	return strings.Join(out, " ")
}

// The catalog zone is for those who may copy it, who get its SOA, the whole of it, and
// what has changed.
func TestCatalogZone(t *testing.T) {
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("m%d.example", i))
	}
	set := catalogSet(t, nil, 100, append(many, "a.example")...)
	set = catalogSet(t, set, 200, append(many, "a.example", "b.example")...)
	set = catalogSet(t, set, 300, append(many[20:], "b.example")...)
	ask := func(qtype uint16) *dns.Msg {
		m := new(dns.Msg).SetQuestion("catalog.EXAMPLE.net.", qtype)
		m.RecursionDesired = false
		return m
	}
	ixfr := func(serial uint32) *dns.Msg { return new(dns.Msg).SetIxfr("catalog.example.net.", serial, ".", ".") }
	roomy := func(m *dns.Msg) *dns.Msg { return m.SetEdns0(1232, false) }
	sign := func(m *dns.Msg) *dns.Msg { return m.SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix()) }
	var all, removed []string
	for _, d := range append(many[20:], "b.example") {
		all = append(all, strings.TrimSuffix(d, ".example"))
	}
	for _, d := range append(many[:20:20], "a.example") {
		removed = append(removed, strings.TrimSuffix(d, ".example"))
	}
	whole := "300 NS TXT " + strings.Join(all, " ") + " 300"
	last := "200 " + strings.Join(removed, " ") + " 300"
	byAddress := []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1")}}
	byKey := []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1"), Key: "good."}}
	for _, tc := range []struct {
		name        string
		secondaries []config.Secondary
		network     string
		ask         *dns.Msg
		want        string
	}{
		{"SOA", byAddress, "udp", ask(dns.TypeSOA), "300"},
		{"SOA over TCP", byAddress, "tcp", ask(dns.TypeSOA), "300"},
		{"SOA by key", byKey, "udp", sign(ask(dns.TypeSOA)), "300"},
		{"SOA without the key", byKey, "udp", ask(dns.TypeSOA), "REFUSED"},
		{"SOA for nobody", nil, "udp", ask(dns.TypeSOA), "REFUSED"},
		{"NS", byAddress, "udp", ask(dns.TypeNS), "REFUSED"},
		{"ANY", byAddress, "udp", ask(dns.TypeANY), "REFUSED"},
		{"the version", byAddress, "udp", new(dns.Msg).SetQuestion("version.catalog.example.net.", dns.TypeTXT), "REFUSED"},
		{"AXFR", byAddress, "tcp", ask(dns.TypeAXFR), whole},
		{"AXFR by key", byKey, "tcp", sign(ask(dns.TypeAXFR)), whole},
		{"AXFR without the key", byKey, "tcp", ask(dns.TypeAXFR), "REFUSED"},
		{"AXFR for nobody", nil, "tcp", ask(dns.TypeAXFR), "REFUSED"},
		{"AXFR over UDP", byAddress, "udp", ask(dns.TypeAXFR), "REFUSED"},
		{"AXFR of a member", byAddress, "tcp", new(dns.Msg).SetAxfr("x.zones.catalog.example.net."), "REFUSED"},
		{"IXFR for nobody", nil, "tcp", ixfr(200), "REFUSED"},
		{"IXFR", byAddress, "tcp", ixfr(200), "300 " + last + " 300"},
		{"IXFR of two steps, more than there is", byAddress, "tcp", ixfr(100), whole},
		{"IXFR, up to date", byAddress, "tcp", ixfr(300), "300"},
		{"IXFR, ahead", byAddress, "tcp", ixfr(301), "300"},
		{"IXFR from before the start", byAddress, "tcp", ixfr(7), whole},
		{"IXFR over UDP, too much", byAddress, "udp", ixfr(200), "300"},
		{"IXFR over UDP, with more room", byAddress, "udp", roomy(ixfr(200)), "300"},
		{"IXFR over UDP, from before the start", byAddress, "udp", ixfr(7), "300"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkCatalog(t, set, tc.secondaries, tc.network, tc.ask, tc.want)
		})
	}
	small := catalogSet(t, set, 400, append(many[20:], "b.example", "c.example")...)
	for _, network := range []string{"udp", "tcp"} {
		t.Run("a small IXFR over "+network, func(t *testing.T) {
			checkCatalog(t, small, byAddress, network, ixfr(300), "400 300 400 c 400")
			checkCatalog(t, small, byKey, network, sign(ixfr(300)), "400 300 400 c 400")
		})
	}
	four := catalogSet(t, small, 500, append(many[20:], "b.example", "c.example", "d.example", "e.example", "f.example", "g.example")...)
	t.Run("an IXFR over UDP for which EDNS makes room", func(t *testing.T) {
		checkCatalog(t, four, byAddress, "udp", ixfr(400), "500")
		checkCatalog(t, four, byAddress, "udp", roomy(ixfr(400)), "500 400 500 d e f g 500")
	})
}

// checkCatalog asks a server, and reads responses up to the SOA that ends them.
func checkCatalog(t *testing.T, set *zones.Set, secondaries []config.Secondary, network string, m *dns.Msg, want string) {
	t.Helper()
	s := listenLog(t, "127.0.0.1:0", Config{Zones: set, Keys: []config.Key{goodKey}}, slog.New(slog.DiscardHandler))
	s.current.Store(Config{Zones: set, Keys: []config.Key{goodKey}, Secondaries: secondaries}.snapshot()) // without a NOTIFY
	raw, err := net.DialTimeout(network, s.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(time.Minute))
	conn := &dns.Conn{Conn: raw, TsigSecret: map[string]string{"good.": secret}, UDPSize: 4096}
	if err := conn.WriteMsg(m.Copy()); err != nil {
		t.Fatal(err)
	}
	reply, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	if m.IsTsig() != nil && reply.IsTsig() == nil {
		t.Error("the response is not signed")
	}
	got := words(reply.Answer)
	if reply.Rcode != dns.RcodeSuccess {
		got = dns.RcodeToString[reply.Rcode] + got
	} else if !reply.Authoritative {
		t.Error("the answer is not authoritative")
	}
	if diff := cmp.Diff(sortedWords(want), sortedWords(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// sortedWords sorts the names between two serials, which are in no order.
func sortedWords(s string) string {
	all := strings.Fields(s)
	serial := func(w string) bool { return w[0] >= '0' && w[0] <= '9' }
	for start := 0; start < len(all); {
		end := start + 1
		for end < len(all) && !serial(all[end]) {
			end++
		}
		slices.Sort(all[start+1 : end])
		start = end
	}
	return strings.Join(all, " ")
}

// Servers with the same secrets take each other's cookies, and those of a secret that
// they are about to leave or to come to.
func TestSharedCookieSecrets(t *testing.T) {
	now, client := time.Unix(1_800_000_000, 0), netip.MustParseAddr("192.0.2.1")
	a, b := config.CookieSecret{1}, config.CookieSecret{2}
	server := func(secrets ...config.CookieSecret) *state {
		s := Config{Zones: zoneSet(t, fixture.Family, nil)}.snapshot()
		s.Config.DNS.CookieSecrets = secrets
		return (&Server{now: func() time.Time { return now }, log: slog.New(failing{t})}).newState(s, nil)
	}
	cookieOf := func(s *state) []byte { return s.cookies.appendTo(nil, []byte("abcdefgh"), client, now) }
	for _, tc := range []struct {
		name          string
		makes, checks []config.CookieSecret
		valid         bool
	}{
		{"the same", []config.CookieSecret{a}, []config.CookieSecret{a}, true},
		{"another", []config.CookieSecret{a}, []config.CookieSecret{b}, false},
		{"the previous one", []config.CookieSecret{a}, []config.CookieSecret{b, a}, true},
		{"the next one", []config.CookieSecret{b, a}, []config.CookieSecret{a, b}, true},
		{"one that is no longer there", []config.CookieSecret{a}, []config.CookieSecret{b, b}, false},
		{"one's own", nil, nil, false},
	} {
		made := cookieOf(server(tc.makes...))
		other := server(tc.checks...)
		r := &request{name: []byte{0}, edns: true, cookie: made}
		if _, _, known := other.opt(nil, r, client, now); known != tc.valid {
			t.Errorf("%s: known is %t", tc.name, known)
		}
	}
}
