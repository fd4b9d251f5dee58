package nameserver

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// wire is a socket from which one packet comes, and then no more.
type wire struct {
	packet []byte

	mu   sync.Mutex
	sent [][]byte
}

func (w *wire) ReadBatch(ms []ipv4.Message, _ int) (int, error) {
	if w.packet == nil {
		return 0, net.ErrClosed
	}
	ms[0].N = copy(ms[0].Buffers[0], w.packet)
	ms[0].Addr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 5353}
	w.packet = nil
	return 1, nil
}

func (w *wire) WriteBatch(ms []ipv4.Message, _ int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range ms {
		w.sent = append(w.sent, append([]byte(nil), m.Buffers[0]...))
	}
	return len(ms), nil
}

// closed is the rest of a net.PacketConn.
type closed struct{ net.PacketConn }

func (closed) SetReadDeadline(time.Time) error { return nil }
func (closed) LocalAddr() net.Addr             { return &net.UDPAddr{} }
func (closed) Close() error                    { return nil }

// exchange gives one packet to the server, as if it came over UDP, and returns
// what it sends until it is done.
func exchange(s *Server, packet []byte) [][]byte {
	w := &wire{packet: append([]byte{}, packet...)}
	s.server(&dns.Server{PacketConn: newUDPConn(closed{}, w, s, nil)}).ActivateAndServe()
	return w.sent
}

// FuzzPacket holds the server to what no packet may change: there is no panic, at
// most one response, none to a response, and it parses and is no longer than the
// request allows.
func FuzzPacket(f *testing.F) {
	for _, name := range []string{"_imaps._tcp.example.com.", "big.example.com.", "many.example.com.", "nothing.example.com.", "example.org."} {
		m := question(name, dns.TypeSRV)
		plain, _ := m.Pack()
		m.SetEdns0(1000, true)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Cookie: "0011223344556677"}}
		edns, _ := m.Pack()
		m.SetTsig("good.", dns.HmacSHA256, 300, 1)
		m.Extra[1].(*dns.TSIG).MAC, m.Extra[1].(*dns.TSIG).MACSize = "00", 1
		signed, _ := m.Pack()
		for _, seed := range [][]byte{plain, edns, signed} {
			f.Add(seed)
		}
	}
	f.Add([]byte("00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x04many\aexample\x03com\x00\x00!\x00\x01\x00\x00)\x04\xd0\x00\x00\x00\x00\x00\f\x00\x01\x00\b00000000")) // a short LLQ option, which the library does not read
	s := quiet(f, Config{Zones: zoneSet(f, fixture.Family, nil), Keys: []config.Key{goodKey}, RateLimit: 0})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) > 4096 {
			return
		}
		responses := exchange(s, packet)
		if len(responses) == 0 {
			return
		}
		if len(responses) > 1 || packet[2]&0x80 != 0 {
			t.Fatalf("%d responses, the request's QR is %t", len(responses), packet[2]&0x80 != 0)
		}
		request, response := new(dns.Msg), new(dns.Msg)
		unread := request.Unpack(packet) // options that we skip too (RFC 6891 §6.1.2)
		err := response.Unpack(responses[0])
		limit := 512
		if opt := request.IsEdns0(); opt != nil {
			limit = min(max(512, int(opt.UDPSize())), 1232)
		} else if unread != nil && response.IsEdns0() != nil {
			limit = 1232
		}
		if err != nil || len(responses[0]) > limit || !response.Response || response.Id != uint16(packet[0])<<8|uint16(packet[1]) {
			t.Fatalf("%d octets, %d allowed: %v\n%s", len(responses[0]), limit, err, response)
		}
	})
}
