// Package zoneformat writes DNS records down in the formats that name servers and
// the tools around them read, for people who keep their zones elsewhere. It has no
// socket, no clock and no log.
//
// Every format is made by an encoder or from the records' presentation form (RFC
// 1035 §5.1), so that no value can become syntax.
package zoneformat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/pacc"
	"milepost/zone"
)

// Format is how records are written down.
type Format string

const (
	Zone      Format = "zone"      // master files (RFC 1035 §5)
	JSON      Format = "json"      // for programs
	NSUpdate  Format = "nsupdate"  // dynamic updates (RFC 2136) for BIND's nsupdate and Knot's knsupdate
	Terraform Format = "terraform" // Terraform's JSON syntax, for the provider hashicorp/dns
	OctoDNS   Format = "octodns"   // zone files of octoDNS's YamlProvider
)

// Formats lists the formats.
var Formats = []Format{Zone, JSON, NSUpdate, Terraform, OctoDNS}

// ParseFormat reads a format's name. The error goes on from the name that was read.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(Formats, f) {
		return f, nil
	}
	var names []string
	for _, f := range Formats {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("is unknown; %s are allowed", strings.Join(names, ", "))
}

// Domain is a domain with its records, as [zone.Records] makes them.
type Domain struct {
	address.Domain
	Records []dns.RR
}

// aboutDigest is a comment for whoever puts the digest of a PACC document in the place of
// another; empty: there is none.
func (d Domain) aboutDigest() string {
	if !slices.ContainsFunc(d.Records, func(rr dns.RR) bool { return d.relative(rr.Header().Name) == pacc.RecordLabel }) {
		return ""
	}
	return "; Of " + pacc.RecordLabel + ", an older record has to stay beside the new one for a while; docs/dns.md says how.\n"
}

func (d Domain) origin() string { return dns.Fqdn(d.ASCII) }

// relative returns a name without the domain; of the domain itself, nothing.
func (d Domain) relative(name string) string {
	if name == d.origin() {
		return ""
	}
	return strings.TrimSuffix(name, "."+d.origin())
}

// Render writes the records of the domains, in the order in which they are given.
// Only master files have what a zone says of itself; its name servers may be missing.
func Render(f Format, domains []Domain, a zone.Authority) ([]byte, error) {
	switch f {
	case JSON:
		return renderJSON(domains)
	case NSUpdate:
		return renderNSUpdate(domains), nil
	case Terraform:
		return renderTerraform(domains)
	case OctoDNS:
		return renderOctoDNS(domains)
	}
	return renderZone(domains, a)
}

// set is the records of one name and type.
type set struct {
	name   string // absolute
	rrtype uint16
	ttl    uint32
	rrs    []dns.RR
}

// sets groups the records of a domain by name, then by type.
func (d Domain) sets() []set {
	sorted := slices.Clone(d.Records)
	slices.SortStableFunc(sorted, func(a, b dns.RR) int {
		return cmp.Or(strings.Compare(a.Header().Name, b.Header().Name), strings.Compare(typeName(a), typeName(b)))
	})
	var out []set
	for _, rr := range sorted {
		h := rr.Header()
		if n := len(out); n > 0 && out[n-1].name == h.Name && out[n-1].rrtype == h.Rrtype {
			out[n-1].rrs = append(out[n-1].rrs, rr)
			continue
		}
		out = append(out, set{h.Name, h.Rrtype, h.Ttl, []dns.RR{rr}})
	}
	return out
}

func typeName(rr dns.RR) string { return dns.Type(rr.Header().Rrtype).String() }

// rdata returns a record's data in presentation form, on one line.
func rdata(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

// text returns what stands between the quotes of a TXT record's presentation form,
// where quotes, backslashes and all but printable ASCII are escaped (RFC 1035 §5.1).
// Its strings are joined, as clients join them.
func text(rr *dns.TXT) string {
	var b strings.Builder
	for _, s := range rr.Txt {
		quoted := rdata(&dns.TXT{Txt: []string{s}})
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// unsupported makes the error of a format that has no such record.
func unsupported(f Format, rr dns.RR) error {
	return fmt.Errorf("%s %s: has no place in the format %s; A, AAAA, CNAME, SRV and TXT are allowed", rr.Header().Name, typeName(rr), f)
}
