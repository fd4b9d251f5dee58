// Package zone makes the DNS records of one domain, from the same providers as every
// other format, and answers questions from one zone as an authoritative server does.
// It has no socket, no clock and no log.
//
// It follows RFC 1034 §4.3.2 with RFC 2308 (negative answers), RFC 4592
// (wildcards and empty non-terminals), RFC 4343 (letter case), RFC 8482 (ANY) and
// RFC 9471 (glue). Signed zones (DNSSEC) and DNAME are left out.
package zone

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// SOA timers in seconds, for secondaries (RFC 1912 §2.2).
const (
	refresh = 3600
	retry   = 600
	expire  = 14 * 24 * 3600
)

// DefaultNegativeTTL is how long, in seconds, a resolver may remember that there
// is nothing: short, because an admin who adds a record looks for it at once.
const DefaultNegativeTTL = 300

// Authority is what a zone says of itself: its SOA and NS records.
type Authority struct {
	NameServers []string // absolute names; at least one
	Mailbox     string   // of the SOA: an absolute name (RFC 1035 §8); empty: hostmaster in the zone's domain
	Serial      uint32
	TTL         uint32 // seconds; 0: DefaultTTL
	NegativeTTL uint32 // seconds; 0: DefaultNegativeTTL
}

// Zone is one zone, ready to answer. It is immutable.
type Zone struct {
	origin  string
	soa     *dns.SOA
	nodes   map[string]node
	records []dns.RR // as they are transferred, the SOA first
}

// node has what exists at one name. A node without record sets is an empty
// non-terminal (RFC 4592 §2.2.2).
type node map[uint16][]dns.RR

// New makes a zone of its records, without SOA and NS of the apex, which it makes
// itself. The error joins every mistake; those in the records are of type
// [*RecordError]. It refuses records outside of the zone, records beside a CNAME,
// name servers in the zone that have no address, and types that need what this
// server does not do.
func New(origin string, a Authority, rrs []dns.RR) (*Zone, error) {
	z := &Zone{origin: dns.CanonicalName(origin)}
	if len(a.NameServers) == 0 {
		return nil, fmt.Errorf("the zone %s has no name server", z.Name())
	}
	mailbox := cmp.Or(a.Mailbox, "hostmaster."+z.origin)
	for _, name := range append([]string{z.origin, mailbox}, a.NameServers...) {
		if _, ok := dns.IsDomainName(name); !ok || len(name) > MaxName {
			return nil, fmt.Errorf("%s is no name, or too long for one", name)
		}
	}
	header := dns.RR_Header{Name: z.origin, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: cmp.Or(a.TTL, DefaultTTL)}
	z.soa = &dns.SOA{
		Hdr: header, Ns: a.NameServers[0], Mbox: mailbox, Serial: a.Serial,
		Refresh: refresh, Retry: retry, Expire: expire, Minttl: cmp.Or(a.NegativeTTL, DefaultNegativeTTL),
	}
	z.records = []dns.RR{z.soa}
	header.Rrtype = dns.TypeNS
	for _, ns := range a.NameServers {
		z.records = append(z.records, &dns.NS{Hdr: header, Ns: dns.CanonicalName(ns)})
	}
	var errs []error
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		h := rr.Header()
		h.Name = dns.CanonicalName(h.Name)
		if err := z.check(h); err != nil {
			errs = append(errs, &RecordError{h.Name, h.Rrtype, err})
			continue
		}
		z.records = append(z.records, rr)
	}
	z.nodes = map[string]node{z.origin: {}}
	z.records = dns.Dedup(z.records, nil)
	slices.SortStableFunc(z.records, compareRecords)
	for _, rr := range z.records {
		z.insert(rr)
	}
	if errs = append(errs, z.checkSets()...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return z, nil
}

// RecordError is what is wrong with the records of one name and type.
type RecordError struct {
	Name string // absolute, in lower case
	Type uint16
	Err  error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Name, dns.Type(e.Type), e.Err)
}
func (e *RecordError) Unwrap() error { return e.Err }

// Name returns the zone's name without its final dot.
func (z *Zone) Name() string { return strings.TrimSuffix(z.origin, ".") }

// SOA returns the zone's SOA record, which must not be changed.
func (z *Zone) SOA() *dns.SOA { return z.soa }

// Records returns every record, the SOA first and only once. The slice must not
// be changed.
func (z *Zone) Records() []dns.RR { return z.records }

// maxSet is how many octets the records of one name and type may have: what a
// message holds (RFC 1035 §4.2.2), less the question, OPT and a signature.
const maxSet = dns.MaxMsgSize - 1024

// check says why a record has no place in the zone.
func (z *Zone) check(h *dns.RR_Header) error {
	switch {
	case !dns.IsSubDomain(z.origin, h.Name):
		return fmt.Errorf("lies outside of the zone %s", z.Name())
	case h.Class != dns.ClassINET:
		return fmt.Errorf("has the class %s; IN is allowed", dns.Class(h.Class))
	case h.Rrtype == dns.TypeNS && h.Name == z.origin:
		return errors.New("the zone's name servers stand in the configuration, under name_server")
	case h.Rrtype == dns.TypeNS && strings.HasPrefix(h.Name, "*."):
		return errors.New("a wildcard cannot be delegated (RFC 4592 §4.2)")
	case h.Rrtype == 0, h.Rrtype == dns.TypeOPT, 128 <= h.Rrtype && h.Rrtype <= 255:
		return errors.New("is no record of a zone") // RFC 6895 §3.1
	case h.Ttl > 1<<31-1:
		return fmt.Errorf("has a TTL of %d; at most 2147483647 are allowed (RFC 2181 §8)", h.Ttl)
	}
	switch h.Rrtype {
	case dns.TypeSOA:
		return errors.New("is made by the server")
	case dns.TypeDNAME:
		return errors.New("is not supported")
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY:
		return errors.New("is of a signed zone; zones are served unsigned here")
	}
	return nil
}

// insert enters a record and the names above it.
func (z *Zone) insert(rr dns.RR) {
	h := rr.Header()
	for name := h.Name; z.nodes[name] == nil; name = Parent(name) {
		z.nodes[name] = make(node)
	}
	set := z.nodes[h.Name][h.Rrtype]
	if len(set) > 0 {
		h.Ttl = set[0].Header().Ttl // one TTL a record set (RFC 2181 §5.2)
	}
	z.nodes[h.Name][h.Rrtype] = append(set, rr)
}

// Parent returns the name one label up.
func Parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// checkSets looks for what no single record shows.
func (z *Zone) checkSets() []error {
	var errs []error
	for _, rr := range z.records {
		name, t := rr.Header().Name, rr.Header().Rrtype
		n := z.nodes[name]
		set := n[t]
		if rr != set[0] {
			continue // each set once
		}
		size := 0
		for _, rr := range set {
			size += dns.Len(rr) - len(name) + 1 // the name is written once; then a pointer stands for it
		}
		switch {
		case size > maxSet:
			errs = append(errs, &RecordError{name, t, fmt.Errorf("the %d records have %d octets; at most %d fit into an answer", len(set), size, maxSet)})
		case t != dns.TypeCNAME:
		case len(set) > 1:
			errs = append(errs, &RecordError{name, t, fmt.Errorf("there are %d; a name has one (RFC 2181 §10.1)", len(set))})
		case name == z.origin:
			errs = append(errs, &RecordError{name, t, errors.New("cannot stand at the top of a zone, beside SOA and NS (RFC 1034 §3.6.2); give the service's addresses")})
		case len(n) > 1:
			errs = append(errs, &RecordError{name, t, errors.New("other records stand at the name (RFC 1034 §3.6.2)")})
		}
	}
	for _, rr := range z.nodes[z.origin][dns.TypeNS] {
		target := rr.(*dns.NS).Ns
		if dns.IsSubDomain(z.origin, target) && len(z.addresses(target)) == 0 {
			errs = append(errs, fmt.Errorf("the name server %s lies in the zone %s and has no address there; nobody could find it", strings.TrimSuffix(target, "."), z.Name()))
		}
	}
	return errs
}

// CheckTargets refuses servers in the zone that have no address there: clients
// would be sent to a host that does not exist (RFC 2782, "Target").
func (z *Zone) CheckTargets() error {
	var errs []error
	seen := make(map[string]bool)
	for _, rr := range z.records {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		target := dns.CanonicalName(srv.Target)
		if target == "." || seen[target] || !dns.IsSubDomain(z.origin, target) {
			continue
		}
		seen[target] = true
		// RFC 2782 forbids an alias there, but clients follow it.
		if n, _, _ := z.find(target); z.cut(target, dns.TypeA) == nil && n[dns.TypeA] == nil && n[dns.TypeAAAA] == nil && n[dns.TypeCNAME] == nil {
			errs = append(errs, fmt.Errorf("%s leads to %s, which lies in the zone %s and has no address there; the records of a zone that is set by name can give it one", strings.TrimSuffix(srv.Hdr.Name, "."), strings.TrimSuffix(target, "."), z.Name()))
		}
	}
	return errors.Join(errs...)
}

// compareRecords has the order in which records are transferred and printed.
func compareRecords(a, b dns.RR) int {
	x, y := a.Header(), b.Header()
	return cmp.Or(compareNames(x.Name, y.Name), order(x.Rrtype)-order(y.Rrtype))
}

// order puts SOA and NS before the other types.
func order(t uint16) int {
	switch t {
	case dns.TypeSOA:
		return -2
	case dns.TypeNS:
		return -1
	}
	return int(t)
}

// compareNames sorts names from the right-most label on (RFC 4034 §6.1), so that
// a zone's apex is first.
func compareNames(a, b string) int {
	if a == b {
		return 0
	}
	as, bs := dns.SplitDomainName(a), dns.SplitDomainName(b)
	for i := 1; i <= min(len(as), len(bs)); i++ {
		if c := strings.Compare(as[len(as)-i], bs[len(bs)-i]); c != 0 {
			return c
		}
	}
	return len(as) - len(bs)
}
