package nameserver

import (
	"fmt"
	"net/netip"
	"runtime/debug"

	"github.com/miekg/dns"
)

// ServeDNS answers what is signed or asks for a transfer: what parse leaves to the
// library.
func (s *Server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	defer s.recovered(new(bool))
	w = counted{w, s}
	st := s.state()
	client := w.RemoteAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Addr().Unmap()
	p, udp := w.RemoteAddr().(*peer)
	signature := m.IsTsig()
	if signature != nil {
		if w.TsigStatus() != nil {
			s.refuseSignature(w, m, signature)
			return
		}
		if udp {
			p.signed = true
		}
	}
	var r request
	packet, err := m.Pack()
	if err != nil || r.parse(packet) != library {
		w.WriteMsg(s.reply(m, dns.RcodeFormatError))
		return
	}
	if (r.qtype == dns.TypeAXFR || r.qtype == dns.TypeIXFR) && r.class == dns.ClassINET && r.version == 0 {
		s.transfer(w, m, st, client, udp)
		return
	}
	if signature != nil {
		r.signature = dns.Len(signature)
	}
	response, _, _ := st.respond(nil, &r, udp, client, s.now())
	reply := new(dns.Msg)
	if err := reply.Unpack(response); err != nil {
		s.log.Error("a response of ours cannot be read", "err", err)
		return
	}
	reply.Compress = true
	w.WriteMsg(s.sign(reply, signature))
}

// counted counts what it writes, before the rate limit of udpConn.WriteTo: a transfer
// is a response for each of its messages.
type counted struct {
	dns.ResponseWriter
	server *Server
}

func (c counted) WriteMsg(m *dns.Msg) error {
	qtype := dns.TypeNone
	if len(m.Question) > 0 {
		qtype = m.Question[0].Qtype
	}
	_, udp := c.RemoteAddr().(*peer)
	c.server.Metrics.Responded(qtype, m.Rcode, !udp)
	return c.ResponseWriter.WriteMsg(m)
}

// recovered ends a panic, so that no packet ends the server, and says that the
// packet is done. A stack holds nothing of the packet's octets.
func (s *Server) recovered(done *bool) {
	if r := recover(); r != nil {
		s.log.Error("panic", "stack", string(debug.Stack()))
		*done = true
	}
}

// reply starts a response to what the library has read.
func (s *Server) reply(m *dns.Msg, rcode int) *dns.Msg {
	reply := new(dns.Msg).SetRcode(m, rcode)
	reply.CheckingDisabled = false // RFC 4035 §3.1.6
	return s.sign(reply, m.IsTsig())
}

// sign has the library sign the reply to a signed request.
func (s *Server) sign(reply *dns.Msg, request *dns.TSIG) *dns.Msg {
	if request != nil {
		reply.SetTsig(request.Hdr.Name, request.Algorithm, request.Fudge, s.now().Unix())
	}
	return reply
}

// refuseSignature says what is wrong with a signature (RFC 8945 §5.2).
func (s *Server) refuseSignature(w dns.ResponseWriter, m *dns.Msg, request *dns.TSIG) {
	reply := s.reply(m, dns.RcodeNotAuth)
	answer := reply.Extra[len(reply.Extra)-1].(*dns.TSIG)
	answer.OrigId = m.Id
	switch w.TsigStatus() {
	case dns.ErrSecret, dns.ErrKeyAlg:
		answer.Error = dns.RcodeBadKey
	case dns.ErrTime:
		// The library has compared with the machine's clock. The reply is signed and
		// has our time, so that the client's clock can be put right (RFC 8945 §5.2.3).
		answer.Error = dns.RcodeBadTime
		answer.OtherLen, answer.OtherData = 6, fmt.Sprintf("%012X", s.now().Unix()) // 48 bits
		answer.TimeSigned = request.TimeSigned
	default:
		answer.Error = dns.RcodeBadSig
	}
	w.WriteMsg(reply)
}
