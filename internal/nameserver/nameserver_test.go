package nameserver

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/snapshot"
	"milepost/internal/zones"
	"milepost/zone"
)

// others are records that make answers of every size.
func others() []dns.RR {
	lines := []string{
		"example.com. 3600 IN MX 10 mail.example.com.",
		"mail.example.com. 3600 IN A 192.0.2.25",
		"*.pages.example.com. 3600 IN A 192.0.2.81",
		`odd\.label\000.example.com. 3600 IN TXT "odd"`,
	}
	for i := range 12 { // 512 octets hold the NS records, and not their addresses
		lines = append(lines,
			fmt.Sprintf("many.example.com. 3600 IN SRV 0 0 1 host%02d-with-a-long-name.example.com.", i),
			fmt.Sprintf("host%02d-with-a-long-name.example.com. 3600 IN AAAA 2001:db8::%x", i, i+1))
	}
	for i := range 13 {
		lines = append(lines,
			fmt.Sprintf("lab.example.com. 3600 IN NS ns%02d.name-servers.lab.example.com.", i),
			fmt.Sprintf("ns%02d.name-servers.lab.example.com. 3600 IN AAAA 2001:db8:1::%x", i, i+1))
	}
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("big.example.com. 3600 IN TXT \"%060d\"", i))
	}
	for i := range 800 {
		lines = append(lines, fmt.Sprintf("huge.example.com. 3600 IN TXT \"%060d\"", i))
	}
	var rrs []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// zoneSet has example.com wholly, with the text of a provider.
func zoneSet(t testing.TB, provider string, before *zones.Set) *zones.Set {
	t.Helper()
	c := fixture.Catalogue(t, "example.com.toml", provider)
	var records []config.Record
	for _, rr := range others() {
		records = append(records, config.Record{RR: rr})
	}
	set, err := zones.New(c, &config.Config{DNS: config.DNS{
		Zones:       []config.Zone{{Name: "example.com.", Records: records}},
		NameServers: []config.NameServer{{Name: "ns1.example.com.", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}},
	}}, before, zones.Time{Now: time.Unix(1, 0), Serial: 1})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Config is what of a snapshot a DNS server is made of.
type Config struct {
	Zones       *zones.Set
	Keys        []config.Key
	Secondaries []config.Secondary
	RateLimit   int
}

func (c Config) snapshot() *snapshot.Snapshot {
	return &snapshot.Snapshot{Zones: c.Zones, Config: &config.Config{DNS: config.DNS{Keys: c.Keys, Secondaries: c.Secondaries, RateLimit: c.RateLimit}}}
}

func (c Config) current() *atomic.Pointer[snapshot.Snapshot] {
	var p atomic.Pointer[snapshot.Snapshot]
	p.Store(c.snapshot())
	return &p
}

// update is a reload.
func update(ctx context.Context, s *Server, c Config) {
	s.Notify(ctx, s.current.Swap(c.snapshot()))
}

// listen starts a server on a free port of loopback.
func listen(t testing.TB, addr string, c Config) *Server {
	t.Helper()
	return listenLog(t, addr, c, slog.New(failing{t}))
}

func listenLog(t testing.TB, addr string, c Config, log *slog.Logger) *Server {
	t.Helper()
	s, err := Listen(addr, c.current(), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// records is a log that a test can wait for.
type records chan slog.Record

func (r records) Enabled(context.Context, slog.Level) bool { return true }
func (r records) Handle(_ context.Context, record slog.Record) error {
	r <- record
	return nil
}
func (r records) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r records) WithGroup(string) slog.Handler      { return r }

func (r records) expect(t *testing.T, message string) {
	t.Helper()
	select {
	case got := <-r:
		if got.Message != message {
			t.Errorf("logged %q, want %q", got.Message, message)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%q is not logged", message)
	}
}

func ask(t *testing.T, s *Server, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: time.Minute, UDPSize: dns.MaxMsgSize, TsigSecret: map[string]string{"good.": secret}}
	reply, _, err := client.Exchange(m, s.Addr().String())
	if err != nil {
		t.Fatalf("%s: %v", m.Question[0].Name, err)
	}
	return reply
}

func question(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.RecursionDesired = false
	return m
}

// lines are the sections of a message as zone lines.
func lines(m *dns.Msg) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s aa=%t tc=%t rd=%t ra=%t ad=%t cd=%t %s\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated, m.RecursionDesired, m.RecursionAvailable, m.AuthenticatedData, m.CheckingDisabled, m.Question[0].Name)
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if t := rr.Header().Rrtype; t != dns.TypeOPT && t != dns.TypeTSIG {
				fmt.Fprintln(&b, rr)
			}
		}
		b.WriteString("--\n")
	}
	return b.String()
}

// Whatever way a question takes, over UDP, over TCP or signed, from bytes or
// through the library, the answer is the zone's.
func TestEveryWay(t *testing.T) {
	set := zoneSet(t, fixture.Family, nil)
	s := listen(t, "127.0.0.1:0", Config{Zones: set, Keys: []config.Key{goodKey}})
	for _, name := range []string{
		"_imaps._tcp.example.com.", "_IMAPS._tcp.Example.COM.", "_tcp.example.com.", "example.com.", "lab.example.com.", "x.lab.example.com.",
		"x.pages.example.com.", "X.pages.example.com.", "nothing.example.com.", `odd\.label\000.example.com.`, "many.example.com.", "example.org.", ".",
	} {
		for _, qtype := range []uint16{dns.TypeSRV, dns.TypeA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeANY, dns.TypeHTTPS, 65432} {
			a := zone.Answer{Rcode: dns.RcodeRefused}
			if z := set.Find(name); z != nil {
				a = z.Answer(dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET})
			}
			want := question(name, qtype)
			want.Rcode, want.Authoritative = a.Rcode, a.Authoritative
			want.Answer, want.Ns, want.Extra = a.Answer, a.Authority, a.Additional
			want.RecursionDesired = true
			for _, network := range []string{"udp", "tcp"} {
				for _, sign := range []bool{false, true} {
					for _, edns := range []bool{false, true} {
						m := question(name, qtype)
						m.RecursionDesired, m.CheckingDisabled = true, true
						if edns || network == "udp" {
							m.SetEdns0(1232, false)
						}
						if sign {
							m.SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix())
						}
						got := ask(t, s, network, m)
						if diff := cmp.Diff(strings.ToLower(lines(want)), strings.ToLower(lines(got))); diff != "" {
							t.Errorf("%s %s %s, signed %t (-want +got):\n%s", name, dns.Type(qtype), network, sign, diff)
						}
						if got.Question[0].Name != name {
							t.Errorf("the question came back as %s", got.Question[0].Name)
						}
						if sign != (got.IsTsig() != nil) {
							t.Errorf("%s: signed %t, the answer %t", name, sign, got.IsTsig() != nil)
						}
						if (m.IsEdns0() != nil) != (got.IsEdns0() != nil) {
							t.Errorf("%s: OPT %v, the answer's %v", name, m.IsEdns0(), got.IsEdns0())
						}
					}
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	s := listen(t, "127.0.0.1:0", Config{Zones: zoneSet(t, fixture.Family, nil)})
	for _, tc := range []struct {
		name, question, network string
		qtype, size             uint16 // of EDNS; 0: none
		truncated               bool
		answers, additional     int
		most                    int
	}{
		{"small", "example.com.", "udp", dns.TypeMX, 0, false, 1, 1, 512},
		{"too long without EDNS", "big.example.com.", "udp", dns.TypeTXT, 0, true, 0, 0, 512},
		{"too long with EDNS", "big.example.com.", "udp", dns.TypeTXT, 4096, true, 0, 0, 1232},
		{"additional section left out", "many.example.com.", "udp", dns.TypeSRV, 1000, false, 12, 0, 1000},
		{"answer and additional section", "many.example.com.", "tcp", dns.TypeSRV, 0, false, 12, 12, 65535},
		{"a size below 512 is 512", "example.com.", "udp", dns.TypeMX, 10, false, 1, 1, 512},
		{"TCP has it whole", "big.example.com.", "tcp", dns.TypeTXT, 0, false, 40, 0, 65535},
		{"TCP has it whole, with EDNS", "big.example.com.", "tcp", dns.TypeTXT, 512, false, 40, 0, 65535},
		{"as much as TCP holds", "huge.example.com.", "tcp", dns.TypeTXT, 0, false, 800, 0, 65535},
		{"glue that does not fit", "x.lab.example.com.", "udp", dns.TypeA, 0, true, 0, 0, 512},
		{"glue that fits", "x.lab.example.com.", "udp", dns.TypeA, 1232, false, 0, 13, 1232},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := question(tc.question, tc.qtype)
			if tc.size > 0 {
				m.SetEdns0(tc.size, true)
			}
			got := ask(t, s, tc.network, m)
			extra := len(got.Extra)
			if opt := got.IsEdns0(); opt != nil {
				extra--
				if opt.UDPSize() != 1232 || !opt.Do() || opt.Version() != 0 {
					t.Errorf("OPT: %s", opt)
				}
			}
			got.Compress = true
			if got.Truncated != tc.truncated || len(got.Answer) != tc.answers || extra != tc.additional || got.Len() > tc.most {
				t.Errorf("%d octets: %s", got.Len(), got)
			}
		})
	}
}

// raw sends bytes and returns what comes back before the answer to a good query.
func raw(t *testing.T, s *Server, packet []byte) []byte {
	t.Helper()
	out := exchange(s, packet)
	if len(out) > 1 {
		t.Fatalf("%d responses", len(out))
	}
	if len(out) == 0 {
		return nil
	}
	return out[0]
}

func TestOddMessages(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil)})
	pack := func(change func(*dns.Msg)) []byte {
		m := question("example.com.", dns.TypeMX)
		m.Id = 4711
		change(m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := pack(func(*dns.Msg) {})
	opt := func(m *dns.Msg) *dns.OPT { m.SetEdns0(1232, false); return m.IsEdns0() }
	for _, tc := range []struct {
		name   string
		packet []byte
		want   string // code, or nothing
	}{
		{"good", good, "NOERROR"},
		{"a response", pack(func(m *dns.Msg) { m.Response = true }), ""},
		{"empty", nil, ""},
		{"half a header", good[:11], ""},
		{"header alone", good[:12], "FORMERR"},
		{"cut in the name", good[:20], "FORMERR"},
		{"cut before the class", good[:len(good)-2], "FORMERR"},
		{"something behind it", append(bytes.Clone(good), 0), "NOERROR"},
		{"no question", pack(func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
		{"two questions", pack(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		{"an answer in the question", pack(func(m *dns.Msg) { m.Answer = others()[:1] }), "FORMERR"},
		{"two authorities", pack(func(m *dns.Msg) { m.Ns = others()[:2] }), "FORMERR"},
		{"class CH", pack(func(m *dns.Msg) {
			m.Question[0] = dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
		}), "REFUSED"},
		{"class ANY", pack(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), "REFUSED"},
		{"outside", pack(func(m *dns.Msg) { m.Question[0].Name = "example.org." }), "REFUSED"},
		{"UPDATE", pack(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), "NOTIMP"},
		{"NOTIFY", pack(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), "REFUSED"},
		{"opcode 15", pack(func(m *dns.Msg) { m.Opcode = 15 }), "NOTIMP"},
		{"AXFR over UDP", pack(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }), "REFUSED"},
		{"IXFR over UDP", pack(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeIXFR }), "REFUSED"},
		{"EDNS", pack(func(m *dns.Msg) { opt(m) }), "NOERROR"},
		{"EDNS version 1", pack(func(m *dns.Msg) { opt(m).SetVersion(1) }), "BADVERS"},
		{"EDNS version 1, AXFR", pack(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR; opt(m).SetVersion(1) }), "BADVERS"},
		{"two OPT records", pack(func(m *dns.Msg) { opt(m); m.Extra = append(m.Extra, m.Extra[0]) }), "FORMERR"},
		{"unknown option", pack(func(m *dns.Msg) { opt(m).Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")}} }), "NOERROR"},
		{"cookie", pack(func(m *dns.Msg) { opt(m).Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Cookie: "0011223344556677"}} }), "NOERROR"},
		{"cookie too short", pack(func(m *dns.Msg) { opt(m).Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Cookie: "00112233445566"}} }), "FORMERR"},
		{"cookie too long", pack(func(m *dns.Msg) {
			opt(m).Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Cookie: strings.Repeat("0", 82)}}
		}), "FORMERR"},
		{"a record beside OPT", pack(func(m *dns.Msg) { opt(m); m.Extra = append(others()[:1], m.Extra...) }), "FORMERR"},
		{"a question that points at itself", append(append(bytes.Clone(good[:12]), 0xc0, 12), 0, 1, 0, 1), "FORMERR"},
		{"a name of 256 octets", append(append(bytes.Clone(good[:12]), bytes.Repeat(append([]byte{63}, bytes.Repeat([]byte{'a'}, 63)...), 4)...), 0, 0, 1, 0, 1), "FORMERR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := raw(t, s, tc.packet)
			if got == nil {
				if tc.want != "" {
					t.Errorf("no answer; want %s", tc.want)
				}
				return
			}
			m := new(dns.Msg)
			if err := m.Unpack(got); err != nil {
				t.Fatal(err)
			}
			rcode := m.Rcode
			if opt := m.IsEdns0(); opt != nil {
				rcode |= opt.ExtendedRcode() & 0xff0
			}
			if dns.RcodeToString[rcode] != tc.want && !(rcode == dns.RcodeBadVers && tc.want == "BADVERS") || m.Id != 4711 || !m.Response || m.RecursionAvailable {
				t.Errorf("want %s: %s", tc.want, m)
			}
		})
	}
}

// quiet is a server that has no port.
func quiet(t testing.TB, c Config) *Server {
	t.Helper()
	s := &Server{log: slog.New(failing{t}), now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	s.current = c.current()
	return s
}

// failing is a log in which no error may stand.
type failing struct{ testing.TB }

func (f failing) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (f failing) Handle(_ context.Context, r slog.Record) error {
	f.Errorf("logged: %s", r.Message)
	r.Attrs(func(a slog.Attr) bool { f.Log(a); return true })
	return nil
}
func (f failing) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f failing) WithGroup(string) slog.Handler      { return f }

var soak = flag.Duration("soak", time.Second, "how long TestSoak lasts")

const secret = "c2VjcmV0LW9mLXR3ZW50eS1mb3VyLW9jdA=="
