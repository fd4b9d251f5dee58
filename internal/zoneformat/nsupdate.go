package zoneformat

import (
	"bytes"
	"fmt"

	"github.com/miekg/dns"
)

// renderNSUpdate writes one update (RFC 2136) a domain, which a server carries out
// wholly or not at all (§3.4). What stood at the same name and type goes, so that
// it may be sent again.
func renderNSUpdate(domains []Domain) []byte {
	var b bytes.Buffer
	for _, d := range domains {
		fmt.Fprintf(&b, "; %s\n", d.ASCII)
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

// displaced lists the types that make room for a set: its own, and those beside
// which a server would leave it out without a word (RFC 2136 §3.4.2.2).
func displaced(rrtype uint16) []uint16 {
	switch rrtype {
	case dns.TypeA, dns.TypeAAAA:
		return []uint16{dns.TypeCNAME, rrtype}
	case dns.TypeCNAME:
		return []uint16{dns.TypeA, dns.TypeAAAA, rrtype}
	}
	return []uint16{rrtype}
}
