package nameserver

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/config"
)

// envelope is how many octets of records go into one message of a transfer, before
// their names are compressed.
const envelope = 16 << 10

// copied is a zone as it is copied.
type copied struct {
	name    string // without its final dot
	soa     *dns.SOA
	records iter.Seq[dns.RR] // the SOA first
	// since yields what has changed after a serial, as IXFR has it; false: it is not known.
	since func(serial uint32) (iter.Seq[dns.RR], bool)
}

// toCopy returns the zone in which a name lies; false: there is none.
func (s *state) toCopy(name string) (copied, bool) {
	if c := s.of.Zones.CatalogZone(); c != nil && strings.EqualFold(c.Name(), strings.TrimSuffix(name, ".")) {
		return copied{c.Name(), c.SOA(), c.Records(), c.Since}, true
	}
	z := s.of.Zones.Find(name)
	if z == nil {
		return copied{}, false
	}
	nothing := func(uint32) (iter.Seq[dns.RR], bool) { return nil, false }
	return copied{z.Name(), z.SOA(), slices.Values(z.Records()), nothing}, true
}

// transfer answers AXFR (RFC 5936) and IXFR (RFC 1995). Differences are kept of the
// catalog zone alone: IXFR of another zone gets all of it, as RFC 1995 §4 allows.
func (s *Server) transfer(w dns.ResponseWriter, m *dns.Msg, st *state, client netip.Addr, udp bool) {
	q := m.Question[0]
	z, found := st.toCopy(q.Name)
	switch {
	case !st.mayTransfer(client, m.IsTsig() != nil):
		if s.refusals.pass(s.now()) {
			// The zone is empty rather than a name that a stranger asked for.
			s.log.Warn("transfer refused: neither the address nor a key is configured for it", "zone", z.name, "from", client)
		}
		fallthrough
	case !found, udp && q.Qtype == dns.TypeAXFR:
		w.WriteMsg(s.reply(m, dns.RcodeRefused))
		return
	case !strings.EqualFold(z.name, strings.TrimSuffix(q.Name, ".")): // a name inside a zone (RFC 5936 §2.2.1)
		w.WriteMsg(s.reply(m, dns.RcodeNotAuth))
		return
	}
	records, soaOnly := z.answer(m, udp)
	n, err := s.send(w, m, records)
	if err != nil {
		if s.broken.pass(s.now()) {
			s.log.Warn("transfer broken off", "zone", z.name, "to", client, "err", err)
		}
		return
	}
	if !soaOnly {
		s.log.Info("transferred", "zone", z.name, "serial", z.soa.Serial, "records", n, "to", client)
	}
}

// answer returns what is sent: the zone, what of it has changed, or only its SOA. That is
// for a client that is up to date, or has asked over UDP for more than it takes there
// (RFC 1995 §2).
func (z *copied) answer(m *dns.Msg, udp bool) (records iter.Seq[dns.RR], soaOnly bool) {
	soa := slices.Values([]dns.RR{z.soa})
	if m.Question[0].Qtype == dns.TypeIXFR && len(m.Ns) > 0 {
		if has, ok := m.Ns[0].(*dns.SOA); ok {
			if int32(has.Serial-z.soa.Serial) >= 0 { // RFC 1982 §3.2
				return soa, true
			}
			if changes, known := z.since(has.Serial); known && (!udp || fitsUDP(m, changes)) {
				return changes, false
			}
		}
	}
	if udp {
		return soa, true
	}
	return func(yield func(dns.RR) bool) {
		for rr := range z.records {
			if !yield(rr) {
				return
			}
		}
		yield(z.soa) // first and last (RFC 5936 §2.2)
	}, false
}

// fitsUDP tells whether the response to a message has room for records.
func fitsUDP(m *dns.Msg, records iter.Seq[dns.RR]) bool {
	room := dns.MinMsgSize
	if opt := m.IsEdns0(); opt != nil {
		room = min(max(room, int(opt.UDPSize())), udpSize)
	}
	room -= headerSize + len(m.Question[0].Name) + 1 + 4
	if signature := m.IsTsig(); signature != nil {
		room -= dns.Len(signature)
	}
	for rr := range records {
		if room -= dns.Len(rr); room < 0 {
			return false
		}
	}
	return true
}

// mayTransfer tells whether a client may copy zones: it has signed with a key of
// ours, or has the address of a secondary that needs no key.
func (s *state) mayTransfer(client netip.Addr, verified bool) bool {
	return verified || slices.ContainsFunc(s.conf.Secondaries, func(secondary config.Secondary) bool {
		return secondary.Key == "" && secondary.Address.Addr() == client
	})
}

// send sends records in as many messages as they need, and counts them.
func (s *Server) send(w dns.ResponseWriter, m *dns.Msg, records iter.Seq[dns.RR]) (n int, err error) {
	var next []dns.RR
	size := 0
	write := func() error {
		reply := s.reply(m, dns.RcodeSuccess)
		reply.Authoritative, reply.Answer = true, next
		err := w.WriteMsg(reply)
		w.TsigTimersOnly(true) // RFC 8945 §5.3.1
		next, size = next[:0], 0
		return err
	}
	for rr := range records {
		length := dns.Len(rr)
		if len(next) > 0 && size+length > envelope {
			if err := write(); err != nil {
				return n, err
			}
		}
		next, size, n = append(next, rr), size+length, n+1
	}
	return n, write()
}

// throttle lets one message a second into the log.
type throttle struct{ last atomic.Int64 }

func (t *throttle) pass(now time.Time) bool {
	second := now.Unix()
	return t.last.Swap(second) != second
}
