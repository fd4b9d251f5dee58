package mx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
)

const (
	maxAliases = 8 // a longer chain is a loop, or meant as one
	maxHosts   = 8
)

// question is one that is sent. Each attempt has its own.
type question struct {
	name   string // absolute, lower case
	id     uint16
	packet []byte
}

func newQuestion(domain string) question {
	m := new(dns.Msg).SetQuestion(domain+".", dns.TypeMX)
	m.SetEdns0(ednsSize, false)
	packet, _ := m.Pack() // a parsed domain always fits
	return question{domain + ".", m.Id, packet}
}

// answer is what became of a question.
type answer struct {
	hosts []address.Domain // of the lowest preference, in the order of their names
	ttl   time.Duration
	err   error
}

// lasts is how long the answer is kept.
func (a answer) lasts() time.Duration {
	switch {
	case a.err != nil:
		return failureKept
	case len(a.hosts) == 0:
		return min(max(a.ttl, leastTTL), mostNegTTL)
	}
	return min(max(a.ttl, leastTTL), mostTTL)
}

var (
	errUnwanted  = errors.New("not the answer to the question")
	errTruncated = errors.New("the answer is truncated")
	errLoop      = errors.New("the names lead in a circle")
)

const (
	headerSize   = 12
	maskResponse = 1<<15 | 0xf<<11 // QR and Opcode
	response     = 1 << 15         // to a query
)

// read reads a message that came back. It belongs to the question if id and question
// are the same (RFC 5452 §9.1).
func (q question) read(packet []byte) answer {
	if len(packet) < headerSize || binary.BigEndian.Uint16(packet) != q.id || binary.BigEndian.Uint16(packet[2:])&maskResponse != response {
		return answer{err: errUnwanted}
	}
	var m dns.Msg
	err := m.Unpack(packet) // what precedes a mistake is there
	if len(m.Question) != 1 || m.Question[0].Qtype != dns.TypeMX || m.Question[0].Qclass != dns.ClassINET || !strings.EqualFold(m.Question[0].Name, q.name) {
		return answer{err: errUnwanted}
	}
	switch {
	case m.Truncated:
		return answer{err: errTruncated}
	case err != nil:
		return answer{err: err}
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return answer{err: fmt.Errorf("the resolver says %s", dns.RcodeToString[m.Rcode])}
	}
	return q.resolve(&m)
}

// resolve follows the aliases of the name that was asked for, within the message and
// nowhere else. What lies beside their chain is not looked at.
func (q question) resolve(m *dns.Msg) answer {
	name, ttl := q.name, mostTTL
	for range maxAliases + 1 {
		records := []*dns.MX(nil)
		alias := ""
		for _, rr := range m.Answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.MX:
				records = append(records, rr)
				ttl = min(ttl, seconds(h.Ttl))
			case *dns.CNAME:
				alias = rr.Target
				ttl = min(ttl, seconds(h.Ttl))
			}
		}
		switch {
		case records != nil:
			return answer{hosts: lowest(records), ttl: ttl}
		case alias == "":
			return answer{ttl: min(ttl, negativeTTL(m.Ns, name))}
		}
		name = alias
	}
	return answer{err: errLoop}
}

// seconds reads a TTL; with its first bit set it is 0 (RFC 2181 §8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// negativeTTL is how long the lack of an answer lasts (RFC 2308 §5): not at all, if no
// zone that holds the name says so.
func negativeTTL(authority []dns.RR, name string) time.Duration {
	for _, rr := range authority {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, name) {
			return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
		}
	}
	return 0
}

// lowest returns the hosts of the lowest preference. The host "." is none: the domain
// takes no mail (RFC 7505 §3).
func lowest(records []*dns.MX) (hosts []address.Domain) {
	best := slices.MinFunc(records, func(a, b *dns.MX) int { return int(a.Preference) - int(b.Preference) }).Preference
	for _, mx := range records {
		if mx.Preference != best {
			continue
		}
		if host, err := address.ParseDomain(mx.Mx); err == nil {
			hosts = append(hosts, host)
		}
	}
	slices.SortFunc(hosts, func(a, b address.Domain) int { return strings.Compare(a.ASCII, b.ASCII) }) // resolvers turn them round
	hosts = slices.Compact(hosts)
	return slices.Clone(hosts[:min(len(hosts), maxHosts)])
}
