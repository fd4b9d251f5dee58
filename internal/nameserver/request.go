package nameserver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// Bits and offsets of a message's header (RFC 1035 §4.1.1).
const (
	headerSize = 12
	bitQR      = 1 << 15
	bitAA      = 1 << 10
	bitTC      = 1 << 9
	bitRD      = 1 << 8
	bitCD      = 1 << 4
	maskOpcode = 0xf << 11
)

// request is what a message asks, taken from its bytes or from a dns.Msg.
type request struct {
	id           uint16
	flags        uint16 // RD and CD, which an answer repeats (RFC 1035 §4.1.1, RFC 4035 §3.1.6)
	name         []byte // as on the wire, letter case kept
	qtype, class uint16

	signature int // octets that the signature of the response will have

	edns    bool
	version uint8
	do      bool
	size    int    // what the client takes over UDP; 0: it did not say
	cookie  []byte // of the first COOKIE option (RFC 7873 §5.2); nil: there is none
}

// parse reads a plain query: one uncompressed question and at most an OPT record.
// False: it is something else, which is left to the library.
func (r *request) parse(m []byte) bool {
	if len(m) < headerSize+5 {
		return false
	}
	flags := binary.BigEndian.Uint16(m[2:])
	extra := binary.BigEndian.Uint16(m[10:])
	if flags&(bitQR|maskOpcode|bitTC) != 0 || binary.BigEndian.Uint16(m[4:]) != 1 ||
		binary.BigEndian.Uint32(m[6:]) != 0 || extra > 1 {
		return false
	}
	off := headerSize
	for m[off] != 0 {
		if m[off] > 63 { // a pointer (RFC 1035 §4.1.4), which nothing before it can need
			return false
		}
		if off += 1 + int(m[off]); off+5 > len(m) || off-headerSize > 254 {
			return false
		}
	}
	off++
	*r = request{
		id:    binary.BigEndian.Uint16(m),
		flags: flags & (bitRD | bitCD),
		name:  m[headerSize:off],
		qtype: binary.BigEndian.Uint16(m[off:]),
		class: binary.BigEndian.Uint16(m[off+2:]),
	}
	if r.qtype == dns.TypeAXFR || r.qtype == dns.TypeIXFR {
		return false
	}
	m = m[off+4:]
	if extra == 0 {
		return len(m) == 0
	}
	return r.parseOPT(m)
}

// parseOPT reads the OPT record that must be all that is left (RFC 6891 §6.1.2).
func (r *request) parseOPT(m []byte) bool {
	if len(m) < 11 || m[0] != 0 || binary.BigEndian.Uint16(m[1:]) != dns.TypeOPT ||
		int(binary.BigEndian.Uint16(m[9:])) != len(m)-11 {
		return false
	}
	r.edns = true
	r.size = int(binary.BigEndian.Uint16(m[3:]))
	r.version = m[6]
	r.do = m[7]&0x80 != 0
	for m = m[11:]; len(m) > 0; {
		if len(m) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(m), int(binary.BigEndian.Uint16(m[2:]))
		if len(m) < 4+n {
			return false
		}
		if code == dns.EDNS0COOKIE && r.cookie == nil {
			r.cookie = m[4 : 4+n]
		}
		m = m[4+n:]
	}
	return true
}

// fromMsg takes over what the library has parsed. False: an error of form, which is
// two OPT records (RFC 6891 §6.1.1), and a question cut short, which the library
// reads as none or as one of class 0.
func (r *request) fromMsg(m *dns.Msg) bool {
	if len(m.Question) != 1 || m.Question[0].Qclass == 0 {
		return false
	}
	q := m.Question[0]
	*r = request{id: m.Id, qtype: q.Qtype, class: q.Qclass}
	if m.RecursionDesired {
		r.flags |= bitRD
	}
	if m.CheckingDisabled {
		r.flags |= bitCD
	}
	if t := m.IsTsig(); t != nil {
		r.signature = dns.Len(t)
	}
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(q.Name, buf, 0, nil, false)
	if err != nil {
		return false
	}
	r.name = buf[:n]
	for _, rr := range m.Extra {
		opt, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if r.edns {
			return false
		}
		r.edns, r.version, r.do, r.size = true, opt.Version(), opt.Do(), int(opt.UDPSize())
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok && r.cookie == nil {
				r.cookie = fromHex(c.Cookie)
			}
		}
	}
	return true
}
