package nameserver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// Bits and sizes of a message's header (RFC 1035 §4.1.1).
const (
	headerSize = 12
	bitQR      = 1 << 15
	bitTC      = 1 << 9
	bitRD      = 1 << 8
	maskOpcode = 0xf << 11
	maskRcode  = 0xf
)

// request is what a message asks.
type request struct {
	id           uint16
	flags        uint16 // opcode and RD, which a response repeats; CD it does not (RFC 4035 §3.1.6)
	rcode        int    // what the message gets for its form, or its OPT, alone
	name         []byte // as on the wire, letter case kept; nil: there is no question
	qtype, class uint16

	signature int // octets that the signature of the response will have

	edns    bool
	version uint8
	do      bool
	size    int    // what the client takes over UDP; 0: it did not say
	cookie  []byte // of the first COOKIE option (RFC 7873 §5.2); nil: there is none
}

// route says who answers a message.
type route int

const (
	nobody    route = iota
	responder       // respond does, from what parse has read
	library         // the message is signed or asks for a transfer
)

// parse reads a message, and refuses it as NSD does if it is no query or malformed.
func (r *request) parse(m []byte) route {
	if len(m) < headerSize {
		return nobody
	}
	flags := binary.BigEndian.Uint16(m[2:])
	if flags&bitQR != 0 { // lest two servers talk for ever
		return nobody
	}
	*r = request{id: binary.BigEndian.Uint16(m), flags: flags & (maskOpcode | bitRD)}
	switch flags & maskOpcode {
	case dns.OpcodeQuery:
	case dns.OpcodeNotify << 11:
		r.rcode = dns.RcodeRefused // there is no primary whom we would believe
		return responder
	default:
		r.rcode = dns.RcodeNotImplemented
		return responder
	}
	signed, ok := r.parseQuery(m)
	switch {
	case !ok:
		*r = request{id: r.id, flags: r.flags, rcode: dns.RcodeFormatError}
	case signed, r.qtype == dns.TypeAXFR, r.qtype == dns.TypeIXFR:
		return library
	}
	return responder
}

// parseQuery reads what a query may have: a question, for an IXFR an SOA record (RFC
// 1995 §3), an OPT record, and a signature as the last record (RFC 8945 §5.1). The
// question may be missing if there is OPT (RFC 7873 §5.4; NSD asks for no cookie
// either). Octets behind all that the header counts are ignored; anything else is
// malformed.
func (r *request) parseQuery(m []byte) (signed, ok bool) {
	questions, answers := binary.BigEndian.Uint16(m[4:]), binary.BigEndian.Uint16(m[6:])
	authorities, additional := binary.BigEndian.Uint16(m[8:]), binary.BigEndian.Uint16(m[10:])
	if m[3]&maskRcode != 0 || questions > 1 || answers > 0 {
		return false, false
	}
	m = m[headerSize:]
	if questions == 1 {
		if m, ok = r.parseQuestion(m); !ok {
			return false, false
		}
	}
	if authorities > 0 && r.qtype == dns.TypeIXFR {
		if _, rest, ok := cutRecord(m, dns.TypeSOA); ok {
			m = rest
			authorities--
		}
	}
	if additional > 0 {
		if rest, ok := r.parseOPT(m); ok {
			m = rest
			additional--
		}
	}
	if additional > 0 {
		if rdata, _, ok := cutRecord(m, dns.TypeTSIG); ok && len(rdata) > 0 {
			signed = true
			additional--
		}
	}
	return signed, authorities == 0 && additional == 0 && (questions == 1 || r.edns)
}

// parseQuestion reads a question off the front of m.
func (r *request) parseQuestion(m []byte) (rest []byte, ok bool) {
	off, pointer := nameSize(m)
	if pointer || off > 255 || off+4 > len(m) { // there is nothing before it to point at
		return nil, false
	}
	r.name = m[:off]
	r.qtype = binary.BigEndian.Uint16(m[off:])
	r.class = binary.BigEndian.Uint16(m[off+2:])
	return m[off+4:], true
}

// parseOPT reads an OPT record, whose owner is the root (RFC 6891 §6.1.2), off the
// front of m.
func (r *request) parseOPT(m []byte) (rest []byte, ok bool) {
	options, rest, ok := cutRecord(m, dns.TypeOPT)
	if !ok || m[0] != 0 {
		return nil, false
	}
	r.edns = true
	r.size = int(binary.BigEndian.Uint16(m[3:]))
	r.version = m[6]
	r.do = m[7]&0x80 != 0
	for len(options) > 0 {
		if len(options) < 4 {
			return nil, false
		}
		code, n := binary.BigEndian.Uint16(options), 4+int(binary.BigEndian.Uint16(options[2:]))
		if len(options) < n {
			return nil, false
		}
		if code == dns.EDNS0COOKIE && r.cookie == nil {
			r.cookie = options[4:n]
		}
		options = options[n:]
	}
	return rest, true
}

// cutRecord cuts a record of a type off the front of m.
func cutRecord(m []byte, rrtype uint16) (rdata, rest []byte, ok bool) {
	off, _ := nameSize(m)
	if off+10 > len(m) || binary.BigEndian.Uint16(m[off:]) != rrtype {
		return nil, nil, false
	}
	end := off + 10 + int(binary.BigEndian.Uint16(m[off+8:]))
	if end > len(m) {
		return nil, nil, false
	}
	return m[off+10 : end], m[end:], true
}

// nameSize is how many octets the name at the front of m takes up, more than there
// are if it is cut short, and whether a pointer ends it (RFC 1035 §4.1.4).
func nameSize(m []byte) (size int, pointer bool) {
	off := 0
	for off < len(m) && m[off] != 0 {
		if m[off] > 63 {
			return off + 2, true
		}
		off += 1 + int(m[off])
	}
	return off + 1, false
}
