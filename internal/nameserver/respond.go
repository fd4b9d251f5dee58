package nameserver

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"milepost/zone"
)

// udpSize is how long an answer over UDP may be: what passes every network
// unfragmented (DNS flag day 2020).
const udpSize = 1232

// respond appends the response to a request: the one place that knows what is
// answered, over UDP and TCP. kind is what the rate limit counts it as; known says
// that a cookie has proven the client's address.
func (s *state) respond(dst []byte, r *request, udp bool, client netip.Addr, now time.Time) (response []byte, kind uint64, known bool) {
	limit := dns.MaxMsgSize
	if udp {
		limit = dns.MinMsgSize
		if r.edns {
			limit = min(max(dns.MinMsgSize, r.size), udpSize)
		}
	}
	limit -= r.signature // RFC 8945 §5.3
	var buf [optSize]byte
	opt, rcode, known := s.opt(buf[:0], r, client, now)
	r.rcode = rcode
	start := len(dst)
	switch {
	case rcode != dns.RcodeSuccess, r.name == nil:
		dst, kind = r.bare(dst, uint16(rcode)&maskRcode), uint64(rcode)
	case r.class != dns.ClassINET:
		dst, kind = r.bare(dst, dns.RcodeRefused), dns.RcodeRefused // version.bind CH for one
	default:
		a := s.answer(r)
		dst, kind = a.appendTo(dst, r, limit-len(opt)), a.kind
	}
	return appendOPT(dst, start, opt), kind, known
}

// rcodeOf returns the whole code of the response to a request, of which the header
// has four bits (RFC 6891 §6.1.3).
func (r *request) rcodeOf(response []byte) int {
	if r.rcode != dns.RcodeSuccess {
		return r.rcode
	}
	return int(response[3] & maskRcode)
}

// truncated appends the response that sends a client to TCP: the question, and OPT
// with a cookie that lifts the rate limit.
func (s *state) truncated(dst []byte, r *request, client netip.Addr, now time.Time) []byte {
	start := len(dst)
	dst = r.bare(dst, bitTC)
	opt, _, _ := s.opt(nil, r, client, now)
	return appendOPT(dst, start, opt)
}

// appendOPT puts the OPT record behind the message that begins at start.
func appendOPT(dst []byte, start int, opt []byte) []byte {
	if len(opt) > 0 {
		dst = append(dst, opt...)
		count := dst[start+10 : start+12]
		binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)+1)
	}
	return dst
}

// bare appends a response that is a header, with flags beside those of the request,
// and the question, if there is one.
func (r *request) bare(dst []byte, flags uint16) []byte {
	dst = binary.BigEndian.AppendUint16(dst, r.id)
	dst = binary.BigEndian.AppendUint16(dst, bitQR|r.flags|flags)
	if r.name == nil {
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	dst = append(dst, 0, 1, 0, 0, 0, 0, 0, 0)
	dst = append(dst, r.name...)
	dst = binary.BigEndian.AppendUint16(dst, r.qtype)
	return binary.BigEndian.AppendUint16(dst, r.class)
}

// optSize is how long an OPT record with a cookie is.
const optSize = 11 + 4 + cookieSize

// opt appends the OPT record of a response to a request that has one (RFC 6891
// §6.1.1), and says what its content is answered with.
func (s *state) opt(opt []byte, r *request, client netip.Addr, now time.Time) (_ []byte, rcode int, known bool) {
	if !r.edns {
		return nil, r.rcode, false
	}
	opt = append(opt, 0, 0, byte(dns.TypeOPT))
	opt = binary.BigEndian.AppendUint16(opt, udpSize)
	opt = append(opt, 0, 0, 0, 0, 0, 0) // extended rcode, version, flags, length
	if r.do {
		opt[7] = 0x80 // repeated (RFC 3225 §3)
	}
	if r.version > 0 {
		opt[5] = dns.RcodeBadVers >> 4
		return opt, dns.RcodeBadVers, false
	}
	if r.cookie == nil {
		return opt, dns.RcodeSuccess, false
	}
	if !wellFormed(r.cookie) {
		return opt, dns.RcodeFormatError, false // RFC 7873 §5.2.2
	}
	known = s.cookies.valid(r.cookie, client, now) || s.former.valid(r.cookie, client, now)
	opt[10] = 4 + cookieSize
	opt = append(opt, 0, dns.EDNS0COOKIE, 0, cookieSize)
	if r.name == nil && len(r.cookie) > clientCookieSize && !known { // RFC 7873 §5.4
		rcode = dns.RcodeBadCookie
		opt[5] = dns.RcodeBadCookie >> 4
	}
	return s.cookies.appendTo(opt, r.cookie[:clientCookieSize], client, now), rcode, known
}

// answer is a response that lacks id, RD and the client's letter case.
type answer struct {
	zone       *zone.Zone // that it is of; nil: none
	wire       []byte
	additional int    // where the additional section starts
	glue       bool   // that section is needed (RFC 9471 §3)
	kind       uint64 // for the rate limit
}

// appendTo appends the response to a request, as far as it fits: without the
// additional section, unless that is glue (RFC 2181 §9), else without all but the
// question, and TC set.
func (a *answer) appendTo(dst []byte, r *request, limit int) []byte {
	start := len(dst)
	flags := binary.BigEndian.Uint16(a.wire[2:])
	switch {
	case len(a.wire) <= limit:
		dst = append(dst, a.wire...)
	case a.additional <= limit && !a.glue:
		dst = append(dst, a.wire[:a.additional]...)
		binary.BigEndian.PutUint16(dst[start+10:], 0)
	default:
		return r.bare(dst, flags|bitTC)
	}
	m := dst[start:]
	binary.BigEndian.PutUint16(m, r.id)
	binary.BigEndian.PutUint16(m[2:], flags|r.flags)
	copy(m[headerSize:], r.name) // in the client's letters
	return dst
}

// maxAnswers is how many octets of answers are kept.
const maxAnswers = 32 << 20

// answers keeps them by name in lower case on the wire, and type.
type answers struct {
	mu   sync.RWMutex
	kept map[string]*answer
	held int // octets
}

func newAnswers() *answers { return &answers{kept: make(map[string]*answer)} }

func (k *answers) get(key []byte) *answer {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.kept[string(key)]
}

func (k *answers) keep(key []byte, a *answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held += len(a.wire) + len(key) + 200; k.held > maxAnswers {
		clear(k.kept)
		k.held = 0
	}
	k.kept[string(key)] = a
}

// answer finds or makes the answer to a question of class IN.
func (s *state) answer(r *request) *answer {
	var buf [257]byte
	key := append(appendLower(buf[:0], r.name), byte(r.qtype>>8), byte(r.qtype))
	if a := s.answers.get(key); a != nil {
		return a
	}
	a, keep := s.make(key, r.qtype)
	if keep {
		s.answers.keep(key, a)
	}
	return a
}

// appendLower appends a name in lower case (RFC 4343). The lengths of its labels stay:
// they are less than any letter.
func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// make makes the answer of the zones, or takes the one that was made before the last
// refresh if its zone is the same. It says whether it is worth keeping.
func (s *state) make(key []byte, qtype uint16) (a *answer, keep bool) {
	name := key[:len(key)-2]
	text, _, err := dns.UnpackDomainName(name, 0)
	if err != nil {
		return s.failure(name, qtype, dns.RcodeFormatError), false
	}
	q := dns.Question{Name: text, Qtype: qtype, Qclass: dns.ClassINET}
	z := s.of.Zones.Find(text)
	if z == nil {
		return s.failure(name, qtype, dns.RcodeRefused), false
	}
	if s.older != nil {
		if a := s.older.get(key); a != nil && a.zone == z {
			return a, true
		}
	}
	found := z.Answer(q)
	m := dns.Msg{Question: []dns.Question{q}, Answer: found.Answer, Ns: found.Authority, Compress: true}
	m.Response, m.Authoritative, m.Rcode = true, found.Authoritative, found.Rcode
	short, err := m.Pack()
	if err == nil {
		a = &answer{zone: z, additional: len(short)}
		m.Extra = found.Additional
		a.wire, err = m.Pack()
	}
	if err != nil {
		// zone.New lets no record in that would lead here.
		s.log.Error("an answer cannot be sent", "zone", z.Name(), "err", err)
		return s.failure(name, qtype, dns.RcodeServerFailure), false
	}
	// There is no end to the names below a delegation or a wildcard, and any name can
	// be asked for 65,000 types: these answers are not kept, and count for the zone.
	named := found.Rcode == dns.RcodeSuccess && !found.Wildcard && !found.Referral
	a.glue = found.Referral && len(found.Additional) > 0
	if named {
		a.kind = s.limiter.kind(found.Rcode, text)
	} else {
		a.kind = s.limiter.kind(found.Rcode, z.Name())
	}
	return a, named && len(found.Answer) > 0
}

// failure is an answer without records.
func (s *state) failure(name []byte, qtype uint16, rcode int) *answer {
	wire := (&request{name: name, qtype: qtype, class: dns.ClassINET}).bare(nil, uint16(rcode))
	return &answer{wire: wire, additional: len(wire), kind: s.limiter.kind(rcode, "")}
}
