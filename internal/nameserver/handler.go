package nameserver

import (
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"
)

// ServeDNS answers what the library has read and parsed.
func (s *Server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	defer s.recovered(new(bool))
	st := s.current.Load()
	client, udp := clientOf(w)
	signature := m.IsTsig()
	switch {
	case signature == nil || w.TsigStatus() == nil:
	case signature.Algorithm == "": // the library reads an empty record so
		w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeFormatError))
		return
	default:
		refuseSignature(w, m, signature)
		return
	}
	if signature != nil {
		if p, ok := w.RemoteAddr().(*peer); ok {
			p.signed = true
		}
	}
	var r request
	if !r.fromMsg(m) || stray(m) {
		reply := new(dns.Msg).SetRcode(m, dns.RcodeFormatError)
		w.WriteMsg(signed(reply, signature))
		return
	}
	if (r.qtype == dns.TypeAXFR || r.qtype == dns.TypeIXFR) && r.class == dns.ClassINET && r.version == 0 {
		s.transfer(w, m, st, client, udp)
		return
	}
	response, _, _ := st.respond(nil, &r, udp, client, s.now())
	if signature == nil {
		w.Write(response)
		return
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(response); err != nil {
		s.log.Error("a response of ours cannot be read", "err", err)
		return
	}
	reply.Compress = true
	w.WriteMsg(signed(reply, signature))
}

// recovered ends a panic, so that one packet cannot end the server; it is done
// then. The stack holds nothing of the packet.
func (s *Server) recovered(done *bool) {
	if r := recover(); r != nil {
		s.log.Error("panic", "stack", string(debug.Stack()))
		*done = true
	}
}

// stray tells whether a signature stands before another record (RFC 8945 §5.1).
func stray(m *dns.Msg) bool {
	for i, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeTSIG && i != len(m.Extra)-1 {
			return true
		}
	}
	return false
}

// signed asks for a signature of the reply to a signed request.
func signed(reply *dns.Msg, request *dns.TSIG) *dns.Msg {
	if request != nil {
		reply.SetTsig(request.Hdr.Name, request.Algorithm, request.Fudge, time.Now().Unix())
	}
	return reply
}

// refuseSignature says what is wrong with a signature (RFC 8945 §5.2).
func refuseSignature(w dns.ResponseWriter, m *dns.Msg, request *dns.TSIG) {
	reply := new(dns.Msg).SetRcode(m, dns.RcodeNotAuth)
	reply = signed(reply, request)
	answer := reply.Extra[len(reply.Extra)-1].(*dns.TSIG)
	answer.OrigId = m.Id
	switch w.TsigStatus() {
	case dns.ErrSecret, dns.ErrKeyAlg:
		answer.Error = dns.RcodeBadKey
	case dns.ErrTime:
		// Signed, with our time, so that the client's clock can be put right
		// (RFC 8945 §5.2.3).
		answer.Error = dns.RcodeBadTime
		answer.OtherLen, answer.OtherData = 6, hexTime(time.Now())
		answer.TimeSigned = request.TimeSigned
	default:
		answer.Error = dns.RcodeBadSig
	}
	w.WriteMsg(reply)
}

func clientOf(w dns.ResponseWriter) (client netip.Addr, udp bool) {
	switch a := w.RemoteAddr().(type) {
	case *peer:
		return a.AddrPort().Addr().Unmap(), true
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap(), false
	}
	return netip.Addr{}, false
}
