package nameserver

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/ipv4"

	"milepost/internal/config"
	"milepost/internal/metrics"
)

// maxPacket is how many octets of a packet are read. No query has as many; a longer
// packet is cut, and so is malformed.
const maxPacket = 4096

// batch is how many packets the kernel gives or takes at once.
const batch = 64

// packetConn is what ipv4.PacketConn, ipv6.PacketConn and a plain socket have in
// common.
type packetConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// udpConn is a socket that answers queries as it reads them. What is signed or asks
// for a transfer it hands to the library's server, as a net.PacketConn.
type udpConn struct {
	net.PacketConn
	server  *Server
	packets packetConn
	from    func(oob []byte) []byte // as batches returns it

	in, out []ipv4.Message
	pending []ipv4.Message // of in
	queued  int            // of out
	request request
}

func newUDPConn(c net.PacketConn, packets packetConn, s *Server, from func([]byte) []byte) *udpConn {
	u := &udpConn{PacketConn: c, server: s, packets: packets, from: from,
		in: make([]ipv4.Message, batch), out: make([]ipv4.Message, batch)}
	for i := range batch {
		u.in[i].Buffers = [][]byte{make([]byte, maxPacket)}
		if from != nil {
			u.in[i].OOB = make([]byte, 64)
		}
		u.out[i].Buffers = [][]byte{make([]byte, 0, udpSize)}
	}
	return u
}

// peer is the sender of a packet that the library handles.
type peer struct {
	*net.UDPAddr
	oob    []byte // the reply's control message
	signed bool   // with a key of ours, which lifts the rate limit
}

// ReadFrom answers until there is a packet for the library.
func (u *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		now, state := u.server.now(), u.server.state()
		for len(u.pending) > 0 {
			m := &u.pending[0]
			u.pending = u.pending[1:]
			addr := m.Addr.(*net.UDPAddr)
			if packet := m.Buffers[0][:m.N]; !u.answer(state, m, packet, addr.AddrPort().Addr(), now) {
				return copy(b, packet), &peer{UDPAddr: addr, oob: u.control(m)}, nil
			}
		}
		u.flush()
		n, err := u.packets.ReadBatch(u.in, 0)
		if err != nil {
			return 0, nil, err
		}
		u.pending = u.in[:n]
	}
}

// answer queues the reply to a packet. False: it is for the library.
func (u *udpConn) answer(s *state, m *ipv4.Message, packet []byte, client netip.Addr, now time.Time) (done bool) {
	defer u.server.recovered(&done)
	if to := u.request.parse(packet); to != responder {
		return to == nobody
	}
	out := &u.out[u.queued]
	reply := s.reply(out.Buffers[0][:0], &u.request, client, now)
	if reply == nil {
		return true
	}
	out.Buffers[0], out.Addr, out.OOB = reply, m.Addr, u.control(m)
	u.queued++
	return true
}

// control returns the control message of the reply to a packet.
func (u *udpConn) control(m *ipv4.Message) []byte {
	if u.from == nil {
		return nil
	}
	return u.from(m.OOB[:m.NN])
}

// reply makes the response over UDP; nil: the rate limit allows none.
func (s *state) reply(dst []byte, r *request, client netip.Addr, now time.Time) []byte {
	response, kind, known := s.respond(dst, r, true, client, now)
	verdict := pass
	if !known && !s.trusted(client) {
		verdict = s.limiter.allow(client, kind, now)
	}
	switch {
	case verdict == pass:
		s.metrics.Responded(r.qtype, r.rcodeOf(response), false)
		return response
	case verdict == truncate && r.name != nil: // nobody honest waits for an answer to the others
		s.metrics.DNSLimited(metrics.Truncated)
		return s.truncated(dst, r, client, now)
	}
	s.metrics.DNSLimited(metrics.Dropped)
	return nil
}

// trusted tells whether a client has the address of a secondary.
func (s *state) trusted(client netip.Addr) bool {
	return slices.ContainsFunc(s.conf.Secondaries, func(secondary config.Secondary) bool {
		return secondary.Address.Addr() == client.Unmap()
	})
}

// flush sends what is queued. What the kernel refuses is lost, as any packet may be.
func (u *udpConn) flush() {
	for sent := 0; sent < u.queued; {
		n, err := u.packets.WriteBatch(u.out[sent:u.queued], 0)
		if err != nil || n == 0 {
			n = 1 // it is the first that cannot be sent
		}
		sent += n
	}
	u.queued = 0
}

// WriteTo sends a response of the library's server. Few are limited, so the rate limit
// counts all of one code as one kind.
func (u *udpConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	p := addr.(*peer)
	client := p.AddrPort().Addr()
	s := u.server.state()
	if !p.signed && !s.trusted(client) && s.limiter.allow(client, s.limiter.kind(int(b[3]&maskRcode), ""), u.server.now()) != pass {
		s.metrics.DNSLimited(metrics.Dropped)
		return len(b), nil
	}
	_, err := u.packets.WriteBatch([]ipv4.Message{{Buffers: [][]byte{b}, OOB: p.oob, Addr: p.UDPAddr}}, 0)
	return len(b), err
}
