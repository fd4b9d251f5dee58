package nameserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"milepost/internal/fixture"

	"github.com/miekg/dns"
)

// The cookies of RFC 9018, appendix A.
func TestCookies(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tc := range []struct {
		name, secret, client, addr, cookie string
		made                               int64
	}{
		{"A.1", "e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100", "2464c4abcf10c957 010000005cf79f111f8130c3eee29480", 1559731985},
		{"A.3", "e5e973e5a6b2a43f48e7dc849e37bfcf", "fc93fc62807ddb86", "203.0.113.203", "fc93fc62807ddb86 010000005cf7a9acf73a7810aca2381e", 1559734700},
		{"A.4", "445536bcd2513298075a5d379663c962", "22681ab97d52c298", "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298 010000005cf7c609a6bb79d16625507a", 1559741961},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cookiesOf([16]byte(unhex(tc.secret)))
			addr, now := netip.MustParseAddr(tc.addr), time.Unix(tc.made, 0)
			got := c.appendTo(nil, unhex(tc.client), addr, now)
			if want := unhex(tc.cookie); hex.EncodeToString(got) != hex.EncodeToString(want) {
				t.Fatalf("%x, want %x", got, want)
			}
			changed := append([]byte(nil), got...)
			changed[23] ^= 1
			for name, check := range map[string]struct {
				option []byte
				addr   netip.Addr
				after  time.Duration
				want   bool
			}{
				"as made":         {got, addr, 0, true},
				"an hour old":     {got, addr, time.Hour, true},
				"older":           {got, addr, time.Hour + time.Second, false},
				"of the future":   {got, addr, -5*time.Minute - time.Second, false},
				"changed":         {changed, addr, 0, false},
				"another address": {got, addr.Next(), 0, false},
				"client's alone":  {got[:8], addr, 0, false},
			} {
				if c.valid(check.option, check.addr, now.Add(check.after)) != check.want {
					t.Errorf("%s: valid is not %t", name, check.want)
				}
			}
		})
	}
}

// A client that asks for nothing but a cookie gets one, and learns whether the one
// that it has is still good (RFC 7873 §5.4).
func TestCookieAlone(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil)})
	const clients = "0011223344556677"
	cookie := clients
	for i, want := range []int{dns.RcodeSuccess, dns.RcodeSuccess, dns.RcodeBadCookie} {
		m := new(dns.Msg)
		m.SetEdns0(1232, false)
		if i == 2 {
			cookie = clients + strings.Repeat("00", serverCookieSize)
		}
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(raw(t, s, packet)); err != nil || reply.Rcode != want {
			t.Fatalf("response %d: %v, want %s: %s", i, err, dns.RcodeToString[want], reply)
		}
		cookie = reply.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(5, now)
	kind := l.kind(dns.RcodeSuccess, "example.com.")
	count := func(client string, kind uint64, n int, now time.Time) (got [3]int) {
		for range n {
			got[l.allow(netip.MustParseAddr(client), kind, now)]++
		}
		return got
	}
	for _, tc := range []struct {
		name, client string
		kind         uint64
		n            int
		after        time.Duration
		want         [3]int // passed, truncated, dropped
	}{
		{"half at once, then every second truncated", "192.0.2.1", kind, 23, 0, [3]int{3, 10, 10}},
		{"the same network", "192.0.2.254", kind, 2, 0, [3]int{0, 1, 1}},
		{"another network", "192.0.3.1", kind, 3, 0, [3]int{3, 0, 0}},
		{"another kind", "192.0.2.1", l.kind(dns.RcodeNameError, "example.com."), 3, 0, [3]int{3, 0, 0}},
		{"just before a third of the second", "192.0.2.1", kind, 2, time.Second / 3, [3]int{0, 1, 1}},
		{"a while later", "192.0.2.1", kind, 4, 700 * time.Millisecond, [3]int{2, 1, 1}},
		{"a clock that was set back", "192.0.2.1", kind, 2, -time.Hour, [3]int{0, 1, 1}},
		{"IPv6", "2001:db8:0:1::1", kind, 5, 0, [3]int{3, 1, 1}},
		{"the same /56", "2001:db8:0:2::1", kind, 2, 0, [3]int{0, 1, 1}},
		{"another /56", "2001:db8:0:100::1", kind, 2, 0, [3]int{2, 0, 0}},
		{"IPv4 in IPv6", "::ffff:192.0.3.1", kind, 2, 0, [3]int{0, 1, 1}},
		{"loopback", "127.0.0.1", kind, 1000, 0, [3]int{1000, 0, 0}},
	} {
		if got := count(tc.client, tc.kind, tc.n, now.Add(tc.after)); got != tc.want {
			t.Errorf("%s: %v passed, truncated and dropped; want %v", tc.name, got, tc.want)
		}
	}
}

// However many names and networks there are, no network gets more in a second than
// its bound, and a stranger to the flood is answered.
func TestRateLimitFlood(t *testing.T) {
	const rate, queries = 50, 1_000_000
	hash := func(i uint32) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }
	noise := func(i uint32) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	victim := netip.MustParseAddr("192.0.2.1")
	for _, tc := range []struct {
		name        string
		ask         func(i uint32) (client netip.Addr, kind uint64)
		least, most int // responses to the victim's network
	}{
		{"one name", func(uint32) (netip.Addr, uint64) { return victim, 0 }, rate, rate},
		{"a million names", func(i uint32) (netip.Addr, uint64) { return victim, hash(i) }, rate * allKinds, rate * allKinds},
		{"one name in the noise of 65,536 networks", func(i uint32) (netip.Addr, uint64) {
			if i%2 == 0 {
				return victim, 0
			}
			return noise(i << 8), hash(i)
		}, 1, rate},
		{"every name in the noise of 65,536 networks", func(i uint32) (netip.Addr, uint64) {
			if i%2 == 0 {
				return victim, hash(i)
			}
			return noise(i << 8), hash(i)
		}, 1, rate * allKinds},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			l, passed, honest := newLimiter(rate, now), 0, 0
			for i := range uint32(queries) {
				now = now.Add(time.Second / queries)
				if client, kind := tc.ask(i); l.allow(client, kind, now) == pass && client == victim {
					passed++
				}
				if i%(queries/100) == 0 { // each time another one, lest two hashes that meet decide
					if l.allow(netip.AddrFrom4([4]byte{198, 18, byte(i % 251), 1}), l.kind(dns.RcodeSuccess, fmt.Sprint(i)), now) == pass {
						honest++
					}
				}
			}
			if passed < tc.least || passed > tc.most {
				t.Errorf("%d responses pass in a second; want %d to %d", passed, tc.least, tc.most)
			}
			if honest < 90 {
				t.Errorf("%d of 100 honest queries are answered", honest)
			}
		})
	}
}

// Neither queries at the same time nor a reload let more pass.
func TestRateLimitIsShared(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil), RateLimit: 99})
	var passed atomic.Int64
	for range 2 {
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range 1000 {
					if s.state().limiter.allow(netip.MustParseAddr("192.0.2.1"), 0, s.now()) == pass {
						passed.Add(1)
					}
				}
			})
		}
		clients.Wait()
		again := *s.current.Load()
		s.current.Store(&again)
	}
	if passed.Load() != 50 {
		t.Errorf("%d responses pass at once, want 50", passed.Load())
	}
}

// Over the limit, responses are dropped or truncated, whatever they say; a cookie
// lifts the limit.
func TestRateLimitOfResponses(t *testing.T) {
	for name, change := range map[string]func(*dns.Msg){
		"an answer":     func(*dns.Msg) {},
		"no such name":  func(m *dns.Msg) { m.Question[0].Name = "nothing.example.com." },
		"a delegation":  func(m *dns.Msg) { m.Question[0].Name = "x.lab.example.com."; m.SetEdns0(1232, false) },
		"outside":       func(m *dns.Msg) { m.Question[0].Name = "example.org." },
		"malformed":     func(m *dns.Msg) { m.Answer = others()[:1] },
		"by handler":    func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR },
		"no such class": func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil), RateLimit: 5}) // 3 at once
			m := question("example.com.", dns.TypeMX)
			change(m)
			packet, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			full, truncated := 0, 0
			for range 11 {
				for _, response := range exchange(s, packet) {
					if response[2]&2 != 0 {
						truncated++
						if len(response) > len(packet) {
							t.Errorf("a truncated response of %d octets to %d", len(response), len(packet))
						}
					} else {
						full++
					}
				}
			}
			want := 4
			if name == "malformed" || name == "by handler" { // nobody honest waits for those
				want = 0
			}
			if full != 3 || truncated != want {
				t.Errorf("%d whole and %d truncated of 11; want 3 and %d", full, truncated, want)
			}
		})
	}
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil), RateLimit: 1})
	m := question("example.com.", dns.TypeMX)
	m.SetEdns0(1232, false)
	cookie := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"}
	m.IsEdns0().Option = []dns.EDNS0{cookie}
	for i := range 10 { // the first truncated answer brings the cookie that lifts the limit
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		responses := exchange(s, packet)
		if len(responses) != 1 {
			t.Fatalf("no answer to query %d with a cookie", i)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(responses[0]); err != nil || reply.Truncated {
			t.Fatal(err, reply)
		}
		cookie.Cookie = reply.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	}
}

// Several queries go over one connection, in one write too; a broken one ends it.
func TestPipelining(t *testing.T) {
	s := listen(t, "127.0.0.1:0", Config{Zones: zoneSet(t, fixture.Family, nil)})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []byte
	const n = 300
	for i := range n {
		m := question("_imaps._tcp.example.com.", dns.TypeSRV)
		m.Id = uint16(i)
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(packet))), packet...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	conn := dns.Conn{Conn: c}
	c.SetReadDeadline(time.Now().Add(time.Minute))
	for i := range n {
		m, err := conn.ReadMsg()
		if err != nil || m.Id != uint16(i) || len(m.Answer) != 1 {
			t.Fatal(i, err, m)
		}
	}
	if _, err := c.Write([]byte{0, 3, 1, 2, 3}); err != nil { // shorter than a header
		t.Fatal(err)
	}
	if _, err := c.Write([]byte{0, 17}); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%d octets and %v instead of an end", len(rest), err)
	}
}

func TestListenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := Listen(taken.Addr().String(), Config{}.current(), time.Now, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
	if _, err := Listen("127.0.0.1", Config{}.current(), time.Now, nil); err == nil {
		t.Error("an address without port is taken")
	}
}

// A server without a host of its own answers, over IPv4 and IPv6, from the address
// that was asked: a connected socket takes no other.
func TestAnyAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system picks the address of a reply")
	}
	s := listen(t, ":0", Config{Zones: zoneSet(t, fixture.Family, nil)})
	port := netip.MustParseAddrPort(s.Addr().String()).Port()
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		addr := netip.AddrPortFrom(netip.MustParseAddr(host), port).String()
		for _, qtype := range []uint16{dns.TypeMX, dns.TypeIXFR} { // one way and the other
			client := dns.Client{Timeout: time.Minute}
			if _, _, err := client.Exchange(question("example.com.", qtype), addr); err != nil {
				if host == "::1" && errors.Is(err, syscall.EADDRNOTAVAIL) {
					t.Log("no IPv6 here")
					continue
				}
				t.Errorf("%s: %v", host, err)
			}
		}
	}
}

// TestSoak sends good queries behind malformed, cut, changed and over-long ones,
// and asks for an answer to each good one, and for memory that does not grow. The
// clients wait for the good answer, so that nothing is lost in the kernel's buffer.
func TestSoak(t *testing.T) {
	s := listen(t, "127.0.0.1:0", Config{Zones: zoneSet(t, fixture.Family, nil), RateLimit: 50})
	ctx, cancel := context.WithTimeout(context.Background(), *soak)
	defer cancel()
	var asked, noise atomic.Int64
	var clients sync.WaitGroup
	for i, network := range []string{"udp", "udp", "tcp"} {
		clients.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				n, err := soakOnce(s, network, rand.New(rand.NewPCG(uint64(i), uint64(asked.Load()))))
				if err != nil {
					t.Errorf("good query %d over %s: %v", asked.Load(), network, err)
				}
				asked.Add(1)
				noise.Add(int64(n))
			}
		})
	}
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	<-time.After(*soak / 4)
	early := memory()
	clients.Wait()
	late := memory()
	t.Logf("%d good queries, all answered; %d others; heap %d kB at a quarter, %d kB at the end", asked.Load(), noise.Load(), early>>10, late>>10)
	if late > early+4<<20 {
		t.Errorf("the heap grew from %d to %d octets", early, late)
	}
}

// soakOnce sends noise and then a good query, and waits for its answer.
func soakOnce(s *Server, network string, random *rand.Rand) (noise int, err error) {
	c, err := net.Dial(network, s.Addr().String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	conn := dns.Conn{Conn: c, UDPSize: dns.MaxMsgSize}
	good := question("_imaps._tcp.example.com.", dns.TypeSRV)
	good.SetEdns0(dns.MaxMsgSize, true)
	good.Id = 1
	pattern, err := good.Pack()
	if err != nil {
		return 0, err
	}
	for i := range 40 {
		packet := bytes.Clone(pattern)
		switch i % 4 {
		case 0: // cut
			packet = packet[:random.IntN(len(packet))]
		case 1: // changed
			for range 4 {
				packet[random.IntN(len(packet))] = byte(random.Uint32())
			}
		case 2: // a name that does not exist
			for i := range 4 {
				packet[13+i] = 'a' + byte(random.IntN(26))
			}
		case 3: // longer than it says
			packet = append(packet, make([]byte, random.IntN(5000))...)
		}
		if _, err := conn.Write(packet); err != nil && network == "udp" {
			return i, err
		}
	}
	if network == "tcp" { // noise may have ended that connection
		fresh, err := net.Dial(network, s.Addr().String())
		if err != nil {
			return 40, err
		}
		defer fresh.Close()
		fresh.SetDeadline(time.Now().Add(time.Minute))
		conn.Conn = fresh
	}
	good.Id = 4711
	if err := conn.WriteMsg(good); err != nil {
		return 40, err
	}
	for {
		reply, err := conn.ReadMsg()
		if netErr := net.Error(nil); errors.As(err, &netErr) || errors.Is(err, io.EOF) {
			return 40, err
		}
		if err == nil && reply.Id == good.Id && len(reply.Answer) == 1 {
			return 40, nil
		}
	}
}

// An answer that is too long for UDP takes no more room than one that fits: each of a
// socket's buffers would grow to it.
func TestLongAnswerKeepsBuffer(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil)})
	for name, qtype := range map[string]uint16{"huge.example.com.": dns.TypeTXT, "many.example.com.": dns.TypeSRV, "x.lab.example.com.": dns.TypeA} {
		packet, err := question(name, qtype).Pack()
		if err != nil {
			t.Fatal(err)
		}
		var r request
		if r.parse(packet) != responder {
			t.Fatalf("%s: no plain query", name)
		}
		reply := s.state().reply(make([]byte, 0, 512), &r, netip.MustParseAddr("192.0.2.1"), s.now())
		if len(reply) == 0 || cap(reply) > 512 {
			t.Errorf("%s: %d octets in a buffer of %d", name, len(reply), cap(reply))
		}
	}
}

// A secret makes cookies for a day; those that it made last are still good behind it.
func TestCookieSecretIsReplaced(t *testing.T) {
	s := quiet(t, Config{Zones: zoneSet(t, fixture.Family, nil)})
	client := netip.MustParseAddr("192.0.2.1")
	now := time.Unix(1_800_000_000, 0)
	s.now = func() time.Time { return now }
	ask := func(cookie []byte) (reply []byte, known bool) {
		r := request{name: []byte("\x07example\x03com\x00"), qtype: dns.TypeMX, class: dns.ClassINET, edns: true, size: udpSize, cookie: cookie}
		reply, _, known = s.state().respond(nil, &r, true, client, now)
		return reply[len(reply)-cookieSize:], known
	}
	first, known := ask([]byte("abcdefgh"))
	if known {
		t.Error("a client without a server cookie is known")
	}
	now = now.Add(24*time.Hour - time.Minute)
	last, _ := ask([]byte("abcdefgh"))
	now = now.Add(2 * time.Minute)
	if _, known := ask(last); !known {
		t.Error("a cookie of 2 minutes is not good any more")
	}
	now = now.Add(-24*time.Hour - time.Minute) // what the first secret made then, another one makes otherwise
	if again, _ := ask([]byte("abcdefgh")); bytes.Equal(again, first) {
		t.Error("the secret is the same after a day")
	}
	if _, known := ask(cookies{}.appendTo(nil, []byte("abcdefgh"), client, now)); known {
		t.Error("a secret of zeros is good")
	}
}
