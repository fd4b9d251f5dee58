package zoneformat

import (
	"bytes"
	"cmp"
	"fmt"

	"milepost/zone"
)

// placeholder stands where nobody said what the name servers are: no such name
// will ever exist (RFC 2606 §2), and it needs no address in the zone.
const placeholder = "ns.invalid."

// renderZone writes master files (RFC 1035 §5), each with the SOA and NS records
// without which no server loads it.
func renderZone(domains []Domain, a zone.Authority) ([]byte, error) {
	asked := len(a.NameServers) > 0
	if !asked {
		a.NameServers = []string{placeholder}
	}
	var b bytes.Buffer
	for i, d := range domains {
		z, err := zone.New(d.origin(), a, d.Records)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "; ---- %s: the records that lead mail programs to its settings ----\n", d.ASCII)
		b.WriteString("; A zone that exists already keeps its own SOA and NS lines: leave these out.\n")
		if !asked {
			fmt.Fprintf(&b, "; For a new zone, put the names of your name servers in place of %s\n", placeholder)
		}
		b.WriteString("; The target \".\" says that a service is not offered (RFC 6186 section 3.4).\n")
		b.WriteString(d.aboutDigest())
		fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n", d.origin(), z.SOA().Header().Ttl)
		writeRecords(&b, d, z)
	}
	return b.Bytes(), nil
}

// writeRecords writes a line a record. Each has its TTL, because lines are copied
// into zones that have another $TTL.
func writeRecords(b *bytes.Buffer, d Domain, z *zone.Zone) {
	width, digits := 0, 0
	for _, rr := range z.Records() {
		width = max(width, len(d.relative(rr.Header().Name)))
		digits = max(digits, len(fmt.Sprint(rr.Header().Ttl)))
	}
	for _, rr := range z.Records() {
		name := cmp.Or(d.relative(rr.Header().Name), "@")
		fmt.Fprintf(b, "%-*s  %*d  IN  %-5s  %s\n", width, name, digits, rr.Header().Ttl, typeName(rr), rdata(rr))
	}
}
