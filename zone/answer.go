package zone

import (
	"slices"

	"github.com/miekg/dns"
)

// Answer is what a server says to one question: the sections of a message
// (RFC 1035 §4.1) and its code.
type Answer struct {
	Rcode         int // dns.RcodeSuccess, dns.RcodeNameError or dns.RcodeRefused
	Authoritative bool
	Wildcard      bool // a wildcard has made some of it, as it does for any number of names
	Referral      bool // to the name servers in Authority, with their addresses in Additional
	Answer        []dns.RR
	Authority     []dns.RR
	Additional    []dns.RR
}

// maxChain ends a chain of aliases inside one zone: a loop, or nonsense.
const maxChain = 8

// Answer answers a question by the algorithm of RFC 1034 §4.3.2. A question
// outside of the zone is refused.
func (z *Zone) Answer(q dns.Question) Answer {
	name := dns.CanonicalName(q.Name)
	if q.Qclass != dns.ClassINET || !dns.IsSubDomain(z.origin, name) {
		return Answer{Rcode: dns.RcodeRefused}
	}
	a := Answer{Authoritative: true}
	for range maxChain {
		if ns := z.cut(name, q.Qtype); ns != nil {
			a.Authoritative = len(a.Answer) > 0 // of an alias that led here (RFC 1034 §4.3.1)
			a.Referral = true
			a.Authority = ns
			a.Additional = z.additional(ns) // RFC 9471
			return a
		}
		n, source, ok := z.find(name)
		if !ok {
			a.Rcode = dns.RcodeNameError // of the last name in the chain (RFC 6604 §3)
		}
		a.Wildcard = a.Wildcard || ok && source != name
		if cname := n[dns.TypeCNAME]; cname != nil && q.Qtype != dns.TypeCNAME {
			alias := at(cname, source, name)
			a.Answer = append(a.Answer, alias...)
			name = dns.CanonicalName(cname[0].(*dns.CNAME).Target)
			if q.Qtype == dns.TypeANY || !dns.IsSubDomain(z.origin, name) || repeats(a.Answer, name) {
				return a
			}
			continue
		}
		if q.Qtype == dns.TypeANY && len(n) > 0 {
			a.Answer = append(a.Answer, minimal(name))
			return a
		}
		if set := n[q.Qtype]; set != nil {
			a.Answer = append(a.Answer, at(set, source, name)...)
			a.Additional = z.additional(set)
			return a
		}
		a.Authority = z.negative()
		return a
	}
	return a
}

// repeats tells whether a chain of aliases has been at a name before.
func repeats(chain []dns.RR, name string) bool {
	return slices.ContainsFunc(chain, func(rr dns.RR) bool { return rr.Header().Name == name })
}

// minimal is the answer to ANY: one record, so that nobody gains by asking in
// somebody else's name (RFC 8482 §4.2).
func minimal(name string) dns.RR {
	return &dns.HINFO{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3789}, Cpu: "RFC8482"}
}

// cut returns the NS records of the delegation at or above a name; nil: there is none.
// At the cut itself, DS is ours to answer (RFC 4035 §3.1.4.1).
func (z *Zone) cut(name string, qtype uint16) (ns []dns.RR) {
	for above := name; above != z.origin; above = Parent(above) {
		if set := z.nodes[above][dns.TypeNS]; set != nil && (above != name || qtype != dns.TypeDS) {
			ns = set // and goes on: the delegation nearest to the apex counts
		}
	}
	return ns
}

// find returns the node of a name, or of the wildcard that stands for it
// (RFC 4592 §3.3.1). The source is the name that the records stand at.
func (z *Zone) find(name string) (n node, source string, ok bool) {
	if n, ok := z.nodes[name]; ok {
		return n, name, true
	}
	encloser := Parent(name)
	for z.nodes[encloser] == nil {
		encloser = Parent(encloser)
	}
	source = "*." + encloser
	n, ok = z.nodes[source]
	return n, source, ok
}

// at returns records under the name that was asked for. Those of a wildcard are
// copied for it.
func at(set []dns.RR, source, name string) []dns.RR {
	if source == name {
		return set
	}
	out := make([]dns.RR, len(set))
	for i, rr := range set {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// negative makes the authority section of an answer that says that there is nothing:
// the SOA, whose TTL is how long that may be remembered (RFC 2308 §3, §5).
func (z *Zone) negative() []dns.RR {
	soa := *z.soa
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return []dns.RR{&soa}
}

// additional returns the addresses in this zone of the hosts that records name.
func (z *Zone) additional(set []dns.RR) []dns.RR {
	var out []dns.RR
	seen := make(map[string]bool)
	for _, rr := range set {
		var target string
		switch rr := rr.(type) {
		case *dns.SRV:
			target = rr.Target
		case *dns.NS:
			target = rr.Ns
		case *dns.MX:
			target = rr.Mx
		}
		if target = dns.CanonicalName(target); target != "." && !seen[target] {
			seen[target] = true
			out = append(out, z.addresses(target)...)
		}
	}
	return out
}

// addresses returns the address records at a name of the zone.
func (z *Zone) addresses(name string) []dns.RR {
	n := z.nodes[name]
	return append(slices.Clip(n[dns.TypeA]), n[dns.TypeAAAA]...)
}
