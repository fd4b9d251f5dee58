package zoneformat

import (
	"bytes"
	"fmt"

	"github.com/miekg/dns"
)

// renderNSUpdate writes an update (RFC 2136) for each domain. A server carries it out
// wholly or not at all (§3.4). It may be sent again, because it deletes what stands at
// the same names and types; what stands at other names belongs to others.
func renderNSUpdate(domains []Domain) []byte {
	var b bytes.Buffer
	for _, d := range domains {
		fmt.Fprintf(&b, "; %s\n", d.ASCII)
		b.WriteString(d.aboutDigest())
		fmt.Fprintf(&b, "zone %s\n", d.origin()) // knsupdate finds no zone by itself
		for _, s := range d.sets() {
			for _, t := range displaced(s.rrtype) {
				fmt.Fprintf(&b, "update delete %s %s\n", s.name, dns.Type(t))
			}
			for _, rr := range s.rrs {
				fmt.Fprintf(&b, "update add %s %d %s %s\n", s.name, s.ttl, typeName(rr), rdata(rr))
			}
		}
		b.WriteString("send\n")
	}
	return b.Bytes()
}

// displaced lists the types that must make room for a set: its own, and those beside
// which a server would silently leave it out (RFC 2136 §3.4.2.2).
func displaced(rrtype uint16) []uint16 {
	switch rrtype {
	case dns.TypeA, dns.TypeAAAA:
		return []uint16{dns.TypeCNAME, rrtype}
	case dns.TypeCNAME:
		return []uint16{dns.TypeA, dns.TypeAAAA, rrtype}
	}
	return []uint16{rrtype}
}
