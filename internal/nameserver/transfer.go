package nameserver

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/zone"
)

// envelope is how many octets of records go into one message of a transfer, before
// their names are compressed.
const envelope = 16 << 10

// transfer answers AXFR (RFC 5936) and IXFR (RFC 1995). IXFR gets the whole zone, as
// RFC 1995 §4 allows: no differences are kept.
func (s *Server) transfer(w dns.ResponseWriter, m *dns.Msg, st *state, client netip.Addr, udp bool) {
	q := m.Question[0]
	z := st.of.Zones.Find(q.Name)
	switch {
	case !st.mayTransfer(client, m.IsTsig()):
		if s.refusals.pass(s.now()) {
			zone := "" // never the name that a stranger asked for
			if z != nil {
				zone = z.Name()
			}
			s.log.Warn("transfer refused: neither the address nor a key is configured for it", "zone", zone, "from", client)
		}
		fallthrough
	case z == nil, udp && q.Qtype == dns.TypeAXFR:
		w.WriteMsg(s.reply(m, dns.RcodeRefused))
		return
	case !strings.EqualFold(z.Name(), strings.TrimSuffix(q.Name, ".")): // a name inside a zone (RFC 5936 §2.2.1)
		w.WriteMsg(s.reply(m, dns.RcodeNotAuth))
		return
	}
	soaOnly := udp || q.Qtype == dns.TypeIXFR && upToDate(m, z.SOA().Serial)
	if err := s.send(w, m, z, soaOnly); err != nil {
		if s.broken.pass(s.now()) {
			s.log.Warn("transfer broken off", "zone", z.Name(), "to", client, "err", err)
		}
		return
	}
	if !soaOnly {
		s.log.Info("transferred", "zone", z.Name(), "serial", z.SOA().Serial, "records", len(z.Records())+1, "to", client)
	}
}

// mayTransfer tells whether a client may copy zones: it has signed with a key of
// ours, or has the address of a secondary that needs no key.
func (s *state) mayTransfer(client netip.Addr, verified *dns.TSIG) bool {
	return verified != nil || slices.ContainsFunc(s.conf.Secondaries, func(secondary config.Secondary) bool {
		return secondary.Key == "" && secondary.Address.Addr() == client
	})
}

// upToDate tells whether the serial that the client sends with its question is ours
// or a later one (RFC 1995 §2, RFC 1982 §3.2).
func upToDate(m *dns.Msg, serial uint32) bool {
	if len(m.Ns) == 0 {
		return false
	}
	soa, ok := m.Ns[0].(*dns.SOA)
	return ok && int32(soa.Serial-serial) >= 0
}

// send sends a zone, or only its SOA. That is for a client that is up to date, or has
// asked over UDP, where a zone may not fit (RFC 1995 §2).
func (s *Server) send(w dns.ResponseWriter, m *dns.Msg, z *zone.Zone, soaOnly bool) error {
	records := z.Records()
	if soaOnly {
		records = records[:1]
	} else {
		records = append(records[:len(records):len(records)], z.SOA()) // first and last (RFC 5936 §2.2)
	}
	for start := 0; start < len(records); {
		end, size := start, 0
		for end < len(records) && (end == start || size+dns.Len(records[end]) <= envelope) {
			size += dns.Len(records[end])
			end++
		}
		reply := s.reply(m, dns.RcodeSuccess)
		reply.Authoritative, reply.Answer = true, records[start:end]
		if err := w.WriteMsg(reply); err != nil {
			return err
		}
		w.TsigTimersOnly(true) // RFC 8945 §5.3.1
		start = end
	}
	return nil
}

// throttle lets one message a second into the log.
type throttle struct{ last atomic.Int64 }

func (t *throttle) pass(now time.Time) bool {
	second := now.Unix()
	return t.last.Swap(second) != second
}
